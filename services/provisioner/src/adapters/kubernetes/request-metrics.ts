import { metrics, type ObservableResult } from '@opentelemetry/api';

/** `services` in `/api/v1/namespaces/user-alice/services/s1`; what is no resource, like discovery, is `-`. */
const resource = /^\/(?:api|apis\/[^/]+)\/[^/]+\/(?:namespaces\/[^/]+\/(?=[^/?]))?([a-z]+)/;

/** How the Kubernetes API treats us. Watches count when they begin. */
export function requestMetrics(): (request: { method: string; path: string; status: number; tookMs: number }) => void {
  const duration = metrics.getMeter('@sandlot/provisioner').createHistogram('sandlot_kubernetes_request_duration_seconds', {
    unit: 's',
    description: 'Requests to the Kubernetes API, by what was asked and answered; status 0 is no answer',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] },
  });
  return ({ method, path, status, tookMs }) =>
    duration.record(tookMs / 1_000, { method, resource: resource.exec(path)?.[1] ?? '-', status: String(status) });
}

interface Watched {
  resource: { plural: string };
  watches: readonly { readonly heardAt: number | undefined }[];
}

/** How long nothing was heard of what is followed. Bookmarks count, which come every minute or so. @returns stops it */
export function observeWatches(followed: () => readonly Watched[]): () => void {
  const gauge = metrics.getMeter('@sandlot/provisioner').createObservableGauge('sandlot_informer_last_event_age_seconds', {
    description: 'How long nothing was heard from the Kubernetes API about a resource, the longest of its watches',
  });
  const observe = (result: ObservableResult) => {
    for (const { resource, watches } of followed()) {
      const heard = watches.map(({ heardAt }) => heardAt).filter((at) => at !== undefined);
      if (heard.length > 0) result.observe((performance.now() - Math.min(...heard)) / 1_000, { resource: resource.plural });
    }
  };
  gauge.addCallback(observe);
  return () => gauge.removeCallback(observe);
}
