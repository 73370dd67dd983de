import { once } from 'node:events';
import { connect } from 'node:http2';
import {
  ChannelCredentials,
  makeGenericClientConstructor,
  Metadata,
  status,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { certificateAuthority } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { grpcServer, talkService, type GrpcServer } from './testing/grpc-server.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const authority = certificateAuthority('authority');
const { certificate: cert, key } = authority.issue({ commonName: 'sandlot', names: ['127.0.0.1'] });
const DOMAIN = 'previews.test';

type Answered = (error: ServiceError | null, message?: Buffer) => void;
interface Talk {
  echo(message: Buffer, metadata: Metadata, options: object, answered: Answered): ClientUnaryCall;
  fail(message: Buffer, metadata: Metadata, options: object, answered: Answered): ClientUnaryCall;
  wait(message: Buffer, metadata: Metadata, options: object, answered: Answered): ClientUnaryCall;
  count(message: Buffer, metadata: Metadata): ClientReadableStream<Buffer>;
  sum(metadata: Metadata, answered: Answered): ClientWritableStream<Buffer>;
  chat(metadata: Metadata): ClientDuplexStream<Buffer, Buffer>;
  close(): void;
}

describe('gRPC to a port that is declared as h2c', () => {
  let proxy: ProxyUnderTest;
  let server: GrpcServer;
  let client: Talk;

  const declare = (address: string) => {
    const ports = [
      { port: 8888, address: '127.0.0.1:1' },
      { name: 'grpc', port: 50051, address, protocol: 'h2c' as const },
    ];
    proxy.directory.addSandbox('alice', 's1', '', { ports });
  };
  const talk = (prefix: string, options: Record<string, string | number> = {}) => {
    const Talk = makeGenericClientConstructor(talkService(prefix), 'Talk');
    const credentials = ChannelCredentials.createSsl(Buffer.from(authority.certificate));
    return new Talk(`127.0.0.1:${proxy.port}`, credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.enable_retries': 0,
      ...options,
    }) as unknown as Talk;
  };
  const as = (apiKey: string, fields: Record<string, string | Buffer> = {}) => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${apiKey}`);
    for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
    return metadata;
  };
  const call = (
    method: 'echo' | 'fail' | 'wait',
    message: Buffer | string = '',
    { metadata = as(proxy.alice), from = client, ...options }: { metadata?: Metadata; from?: Talk; deadline?: number } = {},
  ) =>
    new Promise<{ error: ServiceError | null; message: string; metadata?: Metadata; trailers?: Metadata }>((done) => {
      const answer: { metadata?: Metadata; trailers?: Metadata } = {};
      const outcome = new Promise<{ error: ServiceError | null; message: string }>((answered) => {
        const calling = from[method](Buffer.from(message), metadata, options, (error, reply) =>
          answered({ error, message: reply?.toString('latin1') ?? '' }),
        );
        calling.on('metadata', (received) => (answer.metadata = received));
        calling.on('status', (end) => {
          answer.trailers = end.metadata;
          void outcome.then((result) => done({ ...result, ...answer }));
        });
      });
    });

  beforeEach(async () => {
    proxy = await startProxy({ tls: { credentials: { cert, key } }, previews: { domain: DOMAIN, key: 'k'.repeat(32) } });
    server = await grpcServer();
    declare(server.address);
    client = talk('/proxy/s1:grpc');
  });

  afterEach(async () => {
    client.close();
    await proxy.close();
    server.close();
  });

  it('is asked and answers, with metadata before and behind (S0-59)', async () => {
    const { error, message, metadata, trailers } = await call('echo', 'hello', {
      metadata: as(proxy.alice, { 'x-one': '1', 'x-two-bin': Buffer.from([7, 255]) }),
    });
    expect([error, message]).toEqual([null, 'hello']);
    expect([metadata?.get('x-one'), metadata?.get('x-two-bin')]).toEqual([['1'], [Buffer.from([7, 255])]]);
    expect(trailers?.get('x-sum-bin')).toEqual([Buffer.from([0, 1, 255])]);
    expect(proxy.records).toMatchObject([
      { method: 'POST', path: '/proxy/s1:grpc/test.Talk/Echo', status: 200, username: 'alice', port: 50051 },
    ]);
    expect(proxy.records[0]!.bytesIn).toBeGreaterThan(5);
  });

  it('never sees the key, and sees whence a call came', async () => {
    await call('echo', '', { metadata: as(proxy.alice, { 'x-sandlot-user': 'root', forwarded: 'for=1.2.3.4' }) });
    const seen = server.calls[0]!.getMap();
    expect(JSON.stringify(seen)).not.toContain('slk_');
    expect(Object.keys(seen)).not.toEqual(expect.arrayContaining(['authorization']));
    expect(seen).not.toHaveProperty('x-sandlot-user');
    expect(seen).not.toHaveProperty('forwarded');
    expect(seen).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https', via: '2 sandlot' });
    expect(seen['x-request-id']).toBe(proxy.records[0]!.requestId);
  });

  it('is reached at its preview address, where every client of gRPC can go', async () => {
    const from = talk('', { 'grpc.default_authority': `50051-s1-alice.${DOMAIN}`, 'grpc.ssl_target_name_override': '127.0.0.1' });
    expect(await call('echo', 'hello', { from })).toMatchObject({ error: null, message: 'hello' });
    expect((await call('echo', 'hello', { from, metadata: as(proxy.bob) })).error?.code).not.toBeUndefined();
    from.close();
  });

  it('tells of an error in its trailers, as it was said', async () => {
    const { error, trailers } = await call('fail', '', { metadata: as(proxy.alice, { 'x-one': '1' }) });
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: 'höchstens so' });
    expect(trailers?.get('x-one')).toEqual(['1']);
    expect(proxy.records).toMatchObject([{ status: 200 }]);
  });

  it('streams to the client, one message at a time', async () => {
    const stream = client.count(Buffer.from(JSON.stringify({ number: 100, size: 1000 })), as(proxy.alice));
    const received: number[] = [];
    for await (const message of stream) received.push((message as Buffer)[0]!);
    expect(received).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('waits for a client that reads slowly instead of keeping what it has not read', async () => {
    const [number, size] = [640, 65_536];
    const session = connect(proxy.url, { ca: authority.certificate });
    const path = '/proxy/s1:grpc/test.Talk/Count';
    const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', 'x-api-key': proxy.alice });
    const asked = Buffer.from(JSON.stringify({ number, size }));
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, asked.length]), asked]));
    await once(stream, 'response');
    let last = -1;
    await waitFor(() => last === (last = server.sent) && last > 0, { describe: 'the sandbox to be held up', every: 300 });
    expect(server.sent).toBeLessThan(number / 2);
    let length = 0;
    stream.on('data', (data: Buffer) => (length += data.length));
    const [[trailers]] = (await Promise.all([once(stream, 'trailers'), once(stream, 'end')])) as [[Record<string, string>], unknown];
    expect([length, trailers['grpc-status']]).toEqual([number * (size + 5), '0']);
    session.close();
  });

  it('is streamed to, with back-pressure', async () => {
    const sum = new Promise((done) => {
      const stream = client.sum(as(proxy.alice), (error, message) => done(error ?? message!.toString()));
      for (let i = 0; i < 200; i++) stream.write(Buffer.alloc(100_000));
      stream.end();
    });
    expect(await sum).toBe(String(200 * 100_000));
  });

  it('talks both ways at once, and may end first', async () => {
    const chat = client.chat(as(proxy.alice));
    const ended = new Promise<{ code: number; details: string }>((done) => chat.on('status', done).on('error', () => undefined));
    for (const word of ['one', 'two', 'three']) {
      chat.write(Buffer.from(word));
      const [heard] = (await once(chat, 'data')) as [Buffer];
      expect(heard.toString()).toBe(`heard ${word}`);
    }
    chat.write(Buffer.from('stop'));
    expect(await ended).toMatchObject({ code: status.ABORTED, details: 'as you wish' });
    await waitFor(() => proxy.records.length === 1 && proxy.plane.held.places === 0, { describe: 'the end of it' });
  });

  it('takes and gives messages of many megabytes', async () => {
    const message = Buffer.alloc(12 * 1024 * 1024, 'x');
    const answer = await call('echo', message);
    expect(answer.error).toBeNull();
    expect(answer.message.length).toBe(message.length);
  });

  it('hears that its client has broken off', async () => {
    const chat = client.chat(as(proxy.alice)).on('error', () => undefined);
    chat.write(Buffer.from('one'));
    await once(chat, 'data');
    chat.cancel();
    await waitFor(() => server.cancelled.includes('chat'), { describe: 'the sandbox to hear of it' });
    await waitFor(() => proxy.records.length === 1, { describe: 'the record' });
    expect(proxy.plane.held.places).toBe(0);
  });

  it('hears that the time of a call is over', async () => {
    const { error } = await call('wait', '', { deadline: Date.now() + 200 });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(server.calls[0]!.getMap()).toBeDefined();
    await waitFor(() => server.cancelled.includes('wait'), { describe: 'the sandbox to hear of it' });
    await waitFor(() => proxy.plane.held.places === 0, { describe: 'the place to be free' });
  });

  it('is refused what HTTP would refuse, in words that gRPC has for it', async () => {
    expect((await call('echo', '', { metadata: as('nonsense') })).error?.code).toBe(status.UNAUTHENTICATED);
    proxy.directory.changeRoute('alice', 's1', { state: 'failed' });
    expect((await call('echo')).error?.code).toBe(status.UNAVAILABLE);
    expect(server.calls).toEqual([]);
  });

  it('ends when its key is revoked', async () => {
    const chat = client.chat(as(proxy.alice));
    const ended = new Promise<{ code: number }>((done) => chat.on('status', done).on('error', () => undefined));
    chat.write(Buffer.from('one'));
    await once(chat, 'data');
    proxy.directory.changeKey(proxy.alice, { status: 'revoked' });
    expect((await ended).code).not.toBe(status.OK);
    await waitFor(() => server.cancelled.includes('chat'), { describe: 'the sandbox to hear of it' });
  });

  it('shares one connection among many calls, and dials anew at once when the sandbox has moved', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => call('echo', String(i))));
    expect(answers.map(({ message }) => message)).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    expect(proxy.plane.held.upstreams).toBe(1);
    const before = server;
    server = await grpcServer();
    before.close();
    declare(server.address);
    expect(await call('echo', 'there')).toMatchObject({ error: null, message: 'there' });
    await waitFor(() => proxy.plane.held.upstreams === 1, { describe: 'the old connection to be gone' });
  });
});
