import { metrics, type ObservableResult } from '@opentelemetry/api';
import type { DataPlane } from './data-plane.js';

export interface Observed {
  plane: Pick<DataPlane, 'held' | 'open'>;
  directory: { readonly lookups: Readonly<Record<'keys' | 'routes', { hits: number; misses: number }>> };
  recorder: { readonly buffered: number; readonly dropped: number };
  /** Those whose keys are fetched. */
  issuers?: readonly { readonly name: string; readonly fetches: Readonly<Record<'ok' | 'failed', number>> }[];
}

/** What a proxy holds and knows, looked at when somebody asks. @returns stops it */
export function observePlane({ plane, directory, recorder, issuers = [] }: Observed): () => void {
  const meter = metrics.getMeter('@sandlot/proxy');
  const stops: (() => void)[] = [];
  const observe = (what: 'Counter' | 'Gauge', name: string, description: string, callback: (result: ObservableResult) => void) => {
    const instrument =
      what === 'Counter' ? meter.createObservableCounter(name, { description }) : meter.createObservableGauge(name, { description });
    instrument.addCallback(callback);
    stops.push(() => instrument.removeCallback(callback));
  };
  observe('Gauge', 'http_server_active_requests', 'Requests of users under way, held ones included', (result) => {
    const { places, openConnections } = plane.held;
    result.observe(Math.max(0, places - openConnections));
  });
  observe('Gauge', 'sandlot_sessions_active', 'WebSockets and tunnels that are open', (result) => {
    const active = { websocket: 0, tunnel: 0 };
    for (const { trail } of plane.open) active[trail.kind === 'tunnel' ? 'tunnel' : 'websocket']++;
    for (const [kind, count] of Object.entries(active)) result.observe(count, { kind });
  });
  observe('Gauge', 'sandlot_proxy_connections', 'Connections of clients, and to sandboxes and the API', (result) => {
    const { clients, upstreams } = plane.held;
    result.observe(clients, { side: 'client' });
    result.observe(upstreams, { side: 'upstream' });
  });
  observe('Gauge', 'sandlot_proxy_held_requests', 'Requests that wait for their sandbox to wake', (result) =>
    result.observe(plane.held.waiting),
  );
  observe('Counter', 'sandlot_directory_lookups_total', 'Keys, users and routes that were in memory or had to be asked for', (result) => {
    for (const [bucket, { hits, misses }] of Object.entries(directory.lookups)) {
      result.observe(hits, { bucket, result: 'hit' });
      result.observe(misses, { bucket, result: 'miss' });
    }
  });
  observe(
    'Counter',
    'sandlot_jwks_fetches_total',
    'Fetches of the keys that issuers of tokens sign with, by issuer and result',
    (result) => {
      for (const { name: issuer, fetches } of issuers)
        for (const [outcome, count] of Object.entries(fetches)) result.observe(count, { issuer, result: outcome });
    },
  );
  observe('Gauge', 'sandlot_access_buffered_records', 'Records that wait to be stored', (result) => result.observe(recorder.buffered));
  observe('Counter', 'sandlot_access_dropped_total', 'Records that found no place', (result) => result.observe(recorder.dropped));
  return () => stops.forEach((stop) => stop());
}
