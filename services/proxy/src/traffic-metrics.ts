import { metrics, type ObservableResult } from '@opentelemetry/api';
import type { AccessRecord } from '@sandlot/contracts';
import { HotHistogram, type HotSeries } from '@sandlot/service-kit';
import type { Recorder } from './record.js';

/** Of OpenTelemetry's HTTP conventions, in seconds. */
const BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const KINDS = ['api', 'http', 'websocket', 'tunnel'] as const;
/** How callers say who they are; `unknown` where nothing was sent, or nothing that is known. */
const METHODS = ['key', 'token', 'certificate', 'unknown'] as const;
const ROUTES: Record<AccessRecord['kind'], string> = {
  api: '/api',
  http: '/proxy/{sandbox}',
  websocket: '/proxy/{sandbox}',
  tunnel: '{sandbox}:{port}',
};

interface SandboxTraffic {
  readonly username: string;
  readonly sandbox: string;
  /** By the status' first digit. */
  readonly requests: number[];
}

/**
 * Counts what passes on its way to the recorder. With every request, so it is plain numbers, which are shown when somebody asks. By sandbox only
 * where that is asked for: names are many, and whoever scrapes pays for each; those beyond `maxSandboxes` are counted together.
 */
export class TrafficMetrics implements Recorder {
  private readonly durations = new HotHistogram({
    name: 'http_server_request_duration_seconds',
    description: 'Requests that have passed or were refused, from their arrival to the end of the answer',
    unit: 's',
    boundaries: BOUNDARIES,
  });
  private readonly series = new Map<string, HotSeries[][]>();
  private readonly bytes = KINDS.map((kind) => ({ kind, in: 0, out: 0 }));
  private readonly refusals = new Map<string, number>();
  /** By method, then accepted and refused. */
  private readonly attempts = new Map(METHODS.map((method) => [method, { accepted: 0, refused: 0 }]));
  private readonly sandboxes = new Map<string, SandboxTraffic>();
  private readonly others: SandboxTraffic = { username: '_other', sandbox: '_other', requests: [] };
  private readonly stopObserving: () => void;

  constructor(
    private readonly next: Recorder,
    private readonly maxSandboxes = 0,
  ) {
    const meter = metrics.getMeter('@sandlot/proxy');
    const observe = (name: string, description: string, callback: (result: ObservableResult) => void) => {
      const counter = meter.createObservableCounter(name, { description });
      counter.addCallback(callback);
      return () => counter.removeCallback(callback);
    };
    const stops = [
      observe('sandlot_session_bytes_total', 'Bytes of bodies, and of what passed in WebSockets and tunnels that have ended', (result) => {
        for (const { kind, in: received, out } of this.bytes) {
          result.observe(received, { kind, direction: 'in' });
          result.observe(out, { kind, direction: 'out' });
        }
      }),
      observe('sandlot_refusals_total', 'Requests that were refused, by the code of the problem', (result) => {
        for (const [code, count] of this.refusals) result.observe(count, { code });
      }),
      observe('sandlot_auth_attempts_total', 'Requests by how their caller was known, and whether that was accepted', (result) => {
        for (const [method, outcomes] of this.attempts)
          for (const [outcome, count] of Object.entries(outcomes)) result.observe(count, { method, outcome });
      }),
      ...(maxSandboxes > 0
        ? [
            observe('sandlot_sandbox_requests_total', 'Requests by sandbox and class of status', (result) => {
              for (const { username, sandbox, requests } of [...this.sandboxes.values(), this.others])
                requests.forEach((count, status) => result.observe(count, { username, sandbox, status: `${status}xx` }));
            }),
          ]
        : []),
    ];
    this.stopObserving = () => stops.forEach((stop) => stop());
  }

  get refusing(): boolean {
    return this.next.refusing ?? false;
  }

  record(record: AccessRecord): void {
    this.next.record(record);
    const kind = KINDS.indexOf(record.kind);
    const bytes = this.bytes[kind]!;
    bytes.in += record.bytesIn;
    bytes.out += record.bytesOut;
    if (record.code !== undefined) this.refusals.set(record.code, (this.refusals.get(record.code) ?? 0) + 1);
    this.countAttempt(record);
    // How long a WebSocket or tunnel was open says nothing of how fast anything is.
    if (kind < 2 || record.code !== undefined) this.seriesOf(record, kind).record(record.durationMs / 1000);
    if (this.maxSandboxes > 0 && record.sandboxId !== undefined) this.countSandbox(record);
  }

  close(): void {
    this.stopObserving();
    this.durations.close();
  }

  private seriesOf({ method, status, kind: name }: AccessRecord, kind: number): HotSeries {
    let ofMethod = this.series.get(method);
    if (!ofMethod) this.series.set(method, (ofMethod = KINDS.map(() => [])));
    const attributes = { http_request_method: method, http_route: ROUTES[name], http_response_status_code: status };
    return (ofMethod[kind]![status] ??= this.durations.series(attributes));
  }

  private countAttempt({ keyId, code }: AccessRecord): void {
    const refused = code === 'UNAUTHENTICATED';
    if (keyId === undefined && !refused) return; // what is public
    this.attempts.get(methodOf(keyId))![refused ? 'refused' : 'accepted']++;
  }

  private countSandbox({ sandboxId, sandbox = '', username = '', status }: AccessRecord): void {
    let traffic = this.sandboxes.get(sandboxId!);
    if (!traffic) {
      if (this.sandboxes.size >= this.maxSandboxes) traffic = this.others;
      else this.sandboxes.set(sandboxId!, (traffic = { username, sandbox, requests: [] }));
    }
    const digit = Math.floor(status / 100);
    traffic.requests[digit] = (traffic.requests[digit] ?? 0) + 1;
  }
}

function methodOf(keyId: string | undefined): (typeof METHODS)[number] {
  if (keyId === undefined) return 'unknown';
  if (keyId.startsWith('jwt:')) return 'token';
  return keyId.startsWith('cert:') ? 'certificate' : 'key';
}
