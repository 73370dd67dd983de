import { optionsFromEnvironment } from './options.js';

describe('the environment of the runtime', () => {
  it('needs nothing', () => {
    expect(optionsFromEnvironment({})).toEqual({ options: { env: {} }, exitWithStdin: false });
  });

  it('becomes options', () => {
    const { options, exitWithStdin } = optionsFromEnvironment({
      SANDLOT_RUNTIME_HOST: '127.0.0.1',
      SANDLOT_RUNTIME_PORT: '0',
      SANDLOT_RUNTIME_WORKDIR: '/work',
      SANDLOT_RUNTIME_ENV: '{"A":"b","TZ":"UTC"}',
      SANDLOT_RUNTIME_ID: 'sbx_1',
      SANDLOT_RUNTIME_EXIT_WITH_STDIN: '1',
      TZ: 'Europe/Berlin',
      PATH: '/bin',
      AWS_SECRET_ACCESS_KEY: 'hidden',
      SANDLOT_NATS_URL: 'nats://user:password@host',
    });
    expect(exitWithStdin).toBe(true);
    expect(options).toEqual({
      host: '127.0.0.1',
      port: 0,
      workFolder: '/work',
      id: 'sbx_1',
      env: { PATH: '/bin', TZ: 'UTC', A: 'b' },
    });
  });

  it('passes on what is named, empty or secret as it may be, and nothing else', () => {
    const { options } = optionsFromEnvironment({
      SANDLOT_RUNTIME_PASS: 'API_TOKEN,EMPTY,MISSING',
      API_TOKEN: 'x',
      EMPTY: '',
      OTHER: 'y',
    });
    expect(options.env).toEqual({ API_TOKEN: 'x', EMPTY: '' });
    expect(() => optionsFromEnvironment({ SANDLOT_RUNTIME_PASS: 'A=1' })).toThrow('SANDLOT_RUNTIME_PASS must be names');
  });

  it('is refused with every fault at once, and without the values', () => {
    const refuse = () =>
      optionsFromEnvironment({ SANDLOT_RUNTIME_PORT: '70000', SANDLOT_RUNTIME_ENV: '{"A":"top secret",}', SANDLOT_RUNTIME_PROT: '1' });
    expect(refuse).toThrow(/SANDLOT_RUNTIME_PORT must be .* 65535.*SANDLOT_RUNTIME_ENV must be.*SANDLOT_RUNTIME_PROT is not known/);
    expect(refuse).not.toThrow(/secret/);
  });
});
