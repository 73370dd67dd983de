import { waitFor } from '@sandlot/testing';
import { startPlatform, type Platform } from '../testing/platform.js';
import { succeeded } from '../testing/problems.js';
import { newTenant, type Tenant } from '../testing/tenants.js';
import { startOtlpReceiver, type ReceivedSpan } from './testing/otlp-receiver.js';

/** Who does what when a sandbox is asked for, from the door to the runtime. */
const expected: [string, string | RegExp][] = [
  ['sandlot-proxy', 'POST'],
  ['sandlot-gateway', 'POST /api/v1/sandboxes'],
  ['sandlot-gateway', 'request svc.provisioner.sandbox.request'],
  ['sandlot-provisioner', 'process svc.provisioner.sandbox.request'],
  ['sandlot-provisioner', /^append .*sandbox/],
  ['sandlot-provisioner', 'process sandbox.requested.v1'],
  ['sandlot-provisioner', 'reconcile sandbox'],
  ['sandlot-provisioner', 'runtime create'],
  ['sandlot-provisioner', 'process sandbox.started.v1'],
  ['sandlot-provisioner', 'reconcile route'],
];
const isOne = (span: ReceivedSpan, [service, name]: (typeof expected)[number]) =>
  span.service === service && (typeof name === 'string' ? span.name === name : name.test(span.name));

describe('the trace of a command (S2-40)', () => {
  let platform: Platform;
  let alice: Tenant;
  let spans: ReceivedSpan[];

  beforeAll(async () => {
    const receiver = await startOtlpReceiver();
    spans = receiver.spans;
    platform = await startPlatform({
      mode: 'processes',
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_BSP_SCHEDULE_DELAY: '100',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,k8s.pod.name=p',
      },
    });
    alice = await newTenant(platform.admin, 'alice');
  }, 90_000);
  afterAll(() => platform?.stop(), 60_000);

  it('goes through door, gateway, service, log, handler and runtime under one id, each span below another', async () => {
    const made = succeeded(await alice.api.post('/api/v1/sandboxes', { name: 's1' }, { prefer: 'wait=30' }), 201);
    const requestId = made.headers['x-request-id'];
    const door = await waitFor(
      () => spans.find(({ service, attributes }) => service === 'sandlot-proxy' && attributes['sandlot.request.id'] === requestId),
      { within: 20_000, describe: 'the span of the door' },
    );
    const inTrace = () => spans.filter(({ traceId }) => traceId === door.traceId);
    await waitFor(
      () => expected.filter((one) => !inTrace().some((span) => isOne(span, one))),
      { within: 20_000, describe: 'every span of the trace to arrive' },
      (missing) => missing.length === 0,
    );
    const ids = new Set(inTrace().map(({ spanId }) => spanId));
    expect(door.parentSpanId).toBeUndefined();
    const loose = inTrace().filter(({ spanId, parentSpanId }) => spanId !== door.spanId && !ids.has(parentSpanId ?? ''));
    expect(loose.map(({ service, name }) => `${service} ${name}`)).toEqual([]);
    const append = inTrace().find((span) => isOne(span, expected[4]!))!;
    expect(append.attributes).toMatchObject({ 'sandlot.append.outcome': 'appended', 'sandlot.log.position': expect.any(Number) });
  }, 60_000);

  it('says of each span which process of which version it is of, and where that runs', () => {
    const instances = new Map(spans.map(({ service, resource }) => [service, resource['service.instance.id']]));
    expect(new Set(instances.values()).size).toBe(instances.size);
    for (const { service, resource } of spans)
      expect(resource).toMatchObject({
        'service.name': service,
        'service.namespace': 'sandlot',
        'service.version': expect.stringMatching(/^\d+\.\d+\.\d+$/),
        'deployment.environment.name': 'test',
        'k8s.pod.name': 'p',
      });
  });

  it('has nothing secret in any span', () => {
    const text = JSON.stringify(spans);
    expect(text).not.toContain(alice.key);
    expect(text).not.toMatch(/slk_[0-9A-Za-z]{20}|alice@/);
  });
});
