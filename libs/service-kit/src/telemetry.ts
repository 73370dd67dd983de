import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Environment } from './config.js';
import { hotHistograms } from './hot-histogram.js';
import { runtimeViews } from './runtime-metrics.js';

// One per process, whatever number of services runs in it: OpenTelemetry's API is global.
// Instruments that are made before startTelemetry count nothing, so make them in constructors, not at the top of a module.

let started: Telemetry | undefined;
let tracing = false;

/** Whether spans go anywhere: who makes one for every request need not. */
export const isTracing = (): boolean => tracing;

export interface Telemetry {
  /** Answers a scrape with Prometheus' text format. */
  scrape(request: IncomingMessage, response: ServerResponse): void;
  /** Sends what spans are left. */
  close(): Promise<void>;
}

/** Metrics on; traces only when OTEL_EXPORTER_OTLP_ENDPOINT (or its _TRACES_ form) is set, for the SDK costs 15 MB and 150 ms. */
export async function startTelemetry(service: string, env: Environment): Promise<Telemetry> {
  if (started) return started;
  const exporter = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
    metricProducers: [hotHistograms],
  });
  const provider = new MeterProvider({ readers: [exporter], views: runtimeViews });
  metrics.setGlobalMeterProvider(provider);
  const runtime = new RuntimeNodeInstrumentation({ monitoringPrecision: 20 });
  runtime.setMeterProvider(provider);
  observeProcess();
  const stopTracing = await startTracing(service, env);
  started = {
    scrape: (request, response) => exporter.getMetricsRequestHandler(request, response),
    close: async () => {
      started = undefined;
      runtime.disable();
      metrics.disable();
      await Promise.all([provider.shutdown(), stopTracing()]);
    },
  };
  return started;
}

export const version: string = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string })
  .version;

function observeProcess(): void {
  const meter = metrics.getMeter('sandlot');
  meter
    .createObservableGauge('sandlot_build_info', { description: 'Always 1; the labels say what runs' })
    .addCallback((result) => result.observe(1, { version, node: process.versions.node }));
  meter
    .createObservableGauge('process_resident_memory_bytes', { description: 'Resident memory' })
    .addCallback((result) => result.observe(process.memoryUsage.rss()));
  meter
    .createObservableCounter('process_cpu_seconds_total', { description: 'User and system time' })
    .addCallback((result) => result.observe((process.cpuUsage().user + process.cpuUsage().system) / 1e6));
}

/** Who it is, in the words of OpenTelemetry's semantic conventions. */
const resourceOf = (service: string): Record<string, string> => ({
  'service.name': `sandlot-${service}`,
  'service.namespace': 'sandlot',
  'service.version': version,
  'service.instance.id': randomUUID(),
});

async function startTracing(service: string, env: Environment): Promise<() => Promise<void>> {
  if (!env.OTEL_EXPORTER_OTLP_ENDPOINT && !env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return () => Promise.resolve();
  const [{ NodeSDK }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/resources'),
  ]);
  const sdk = new NodeSDK({
    resource: resourceFromAttributes(resourceOf(service)), // and what OTEL_RESOURCE_ATTRIBUTES has
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  tracing = true;
  return async () => {
    tracing = false;
    await sdk.shutdown();
  };
}
