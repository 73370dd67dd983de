import type { ViewOptions } from '@opentelemetry/sdk-metrics';

/** Node's own metrics by the names that Prometheus' users expect, which end in the unit; the exporter adds none. */
const names: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'].map((what) => [
      `nodejs.eventloop.delay.${what}`,
      `nodejs_eventloop_delay_${what}_seconds`,
    ]),
  ),
  'nodejs.eventloop.utilization': 'nodejs_eventloop_utilization_ratio',
  'nodejs.eventloop.time': 'nodejs_eventloop_time_seconds',
  'v8js.gc.duration': 'v8js_gc_duration_seconds',
  'v8js.memory.heap.used': 'v8js_memory_heap_used_bytes',
  'v8js.memory.heap.space.size': 'v8js_memory_heap_space_size_bytes',
  'v8js.memory.heap.space.available_size': 'v8js_memory_heap_space_available_size_bytes',
  'v8js.memory.heap.space.physical_size': 'v8js_memory_heap_space_physical_size_bytes',
};

export const runtimeViews: ViewOptions[] = Object.entries(names).map(([instrumentName, name]) => ({ instrumentName, name }));
