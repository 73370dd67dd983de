// Grafana's dashboards, written down as what they ask: generate-reference.mjs makes the files from it, for the chart and for Compose alike.
// Every panel is [title, unit, [[query, legend], …], options]. `NS` in a query stands for the chosen namespace.

const second = 's';
const bytes = 'bytes';
const perSecond = 'reqps';
const ratio = 'percentunit';
const count = 'short';
const quantile = (q, metric, labels = '', by = '') =>
  `histogram_quantile(${q}, sum by (le${by && `, ${by}`}) (rate(${metric}_bucket{${labels}NS}[$__rate_interval])))`;
const rate = (metric, by = '', labels = '') => `sum ${by && `by (${by}) `}(rate(${metric}{${labels}NS}[$__rate_interval]))`;
const door = 'http_server_request_duration_seconds';

const definitions = {
  overview: {
    title: 'Sandlot 1: overview and SLO',
    panels: [
      [
        'Health findings: errors',
        count,
        [['sum(max by (code) (sandlot_health_findings{severity="error", NS}))', '']],
        { stat: true, bad: 1 },
      ],
      [
        'Health findings: warnings',
        count,
        [['sum(max by (code) (sandlot_health_findings{severity="warning", NS}))', '']],
        { stat: true, bad: 1 },
      ],
      ['API answers without an error of the server, 30 days', ratio, [[`1 - sum(increase(${door}_count{http_route="/api", http_response_status_code=~"5..", NS}[30d])) / sum(increase(${door}_count{http_route="/api", NS}[30d])) or vector(1)`, '']], { stat: true }], // prettier-ignore
      ['Sandboxes that run', count, [['max(sandlot_sandboxes{state="running", NS})', '']], { stat: true }],
      ['What is wrong', count, [['max by (code, severity) (sandlot_health_findings{NS}) > 0', '{{code}} ({{severity}})']], {}],
      ['Requests at the door', perSecond, [[rate(`${door}_count`, 'http_route'), '{{http_route}}']], {}],
      ['Errors of the server at the door', perSecond, [[rate(`${door}_count`, 'http_response_status_code', 'http_response_status_code=~"5..", '), '{{http_response_status_code}}']], {}], // prettier-ignore
      ['New sandboxes until they run', second, [[quantile(0.5, 'sandlot_sandbox_create_duration_seconds'), 'p50'], [quantile(0.95, 'sandlot_sandbox_create_duration_seconds'), 'p95']], {}], // prettier-ignore
      ['Last backup', 'dateTimeFromNow', [['max(sandlot_backup_last_success_timestamp_seconds{NS}) * 1000', '']], { stat: true }],
      ['Versions', count, [['count by (version, node) (sandlot_build_info{NS})', '{{version}}, Node {{node}}']], {}],
    ],
  },
  sandboxes: {
    title: 'Sandlot 2: sandboxes',
    panels: [
      [
        'Sandboxes by state',
        count,
        [
          ['max by (state) (sandlot_sandboxes{NS})', '{{state}}'],
          ['max(sandlot_discovered_sandboxes{NS})', "somebody else's"],
        ],
        {},
      ],
      ['Changes of state', perSecond, [[rate('sandlot_sandbox_transitions_total', 'from, to'), '{{from}} to {{to}}']], {}],
      ['Why they fail', perSecond, [[rate('sandlot_sandbox_transitions_total', 'reason', 'to="failed", '), '{{reason}}']], {}],
      ['From the request until it runs', second, [[quantile(0.5, 'sandlot_sandbox_create_duration_seconds', 'outcome="running", '), 'p50'], [quantile(0.95, 'sandlot_sandbox_create_duration_seconds', 'outcome="running", '), 'p95']], {}], // prettier-ignore
      ['New sandboxes by outcome', perSecond, [[rate('sandlot_sandbox_create_duration_seconds_count', 'outcome'), '{{outcome}}']], {}],
      ['Woken by a request', second, [[quantile(0.95, 'sandlot_proxy_wake_duration_seconds', '', 'outcome'), 'p95 {{outcome}}']], {}],
      ['How long they lived', second, [[quantile(0.5, 'sandlot_sandbox_lifetime_seconds'), 'p50']], {}],
      ['Ended later than they should', second, [[quantile(0.99, 'sandlot_sandbox_expiry_lateness_seconds'), 'p99']], {}],
      ['Drift that was put back', perSecond, [[rate('sandlot_drift_corrections_total', 'concern'), '{{concern}}']], {}],
    ],
  },
  gateway: {
    title: 'Sandlot 3: gateway, API and sessions',
    panels: [
      [
        'Requests at the door by status',
        perSecond,
        [[rate(`${door}_count`, 'http_response_status_code'), '{{http_response_status_code}}']],
        {},
      ],
      ['How long they take at the door', second, [[quantile(0.5, door, '', 'http_route'), 'p50 {{http_route}}'], [quantile(0.99, door, '', 'http_route'), 'p99 {{http_route}}']], {}], // prettier-ignore
      ['API routes', second, [[quantile(0.99, 'sandlot_http_request_duration_seconds', '', 'http_route'), 'p99 {{http_route}}']], {}],
      ['Services behind the API', second, [[quantile(0.99, 'sandlot_rpc_duration_seconds', '', 'subject'), 'p99 {{subject}}']], {}],
      ['Open sessions', count, [['sum by (kind) (sandlot_sessions_active{NS})', '{{kind}}'], ['sum(http_server_active_requests{NS})', 'requests'], ['sum(sandlot_event_stream_clients{NS})', 'event streams']], {}], // prettier-ignore
      ['Bytes', 'Bps', [[rate('sandlot_session_bytes_total', 'kind, direction'), '{{kind}} {{direction}}']], {}],
      ['Refused, by code', perSecond, [[rate('sandlot_refusals_total', 'code'), '{{code}}']], {}],
      ['Who comes in', perSecond, [[rate('sandlot_auth_attempts_total', 'method, outcome'), '{{method}} {{outcome}}']], {}],
      ['Fetches of the keys of issuers', perSecond, [[rate('sandlot_jwks_fetches_total', 'issuer, result'), '{{issuer}} {{result}}']], {}],
      ['Connections', count, [['sum by (side) (sandlot_proxy_connections{NS})', '{{side}}'], ['sum(sandlot_proxy_held_requests{NS})', 'held for waking']], {}], // prettier-ignore
      ['Keys and routes found in memory', ratio, [[`${rate('sandlot_directory_lookups_total', 'bucket', 'result="hit", ')} / ${rate('sandlot_directory_lookups_total', 'bucket')}`, '{{bucket}}']], {}], // prettier-ignore
      ['Records of requests', count, [['sum(sandlot_access_buffered_records{NS})', 'waiting'], [rate('sandlot_access_dropped_total'), 'dropped per second']], {}], // prettier-ignore
    ],
  },
  events: {
    title: 'Sandlot 4: events',
    panels: [
      ['Appended', perSecond, [[rate('sandlot_events_appended_total', 'category'), '{{category}}']], {}],
      ['How long appends take', second, [[quantile(0.5, 'sandlot_event_append_duration_seconds'), 'p50'], [quantile(0.99, 'sandlot_event_append_duration_seconds'), 'p99']], {}], // prettier-ignore
      ['Conflicts', perSecond, [[rate('sandlot_append_conflicts_total'), '']], {}],
      ['Read models: behind', second, [['min by (projection) (sandlot_projection_lag_seconds{NS})', '{{projection}}']], {}],
      ['Read models: events not applied', count, [['min by (projection) (sandlot_projection_lag_events{NS})', '{{projection}}']], {}],
      ['Read models: stopped, rebuilt', ratio, [['max by (projection) (sandlot_projection_stopped{NS})', '{{projection}} stopped'], ['max by (projection) (sandlot_projection_rebuild_progress_ratio{NS})', '{{projection}} rebuilt']], {}], // prettier-ignore
      ['Read models: failures', perSecond, [[rate('sandlot_projection_errors_total', 'projection'), '{{projection}}']], {}],
      ['Consumers: waiting', count, [['max by (consumer) (sandlot_consumer_pending_messages{NS})', '{{consumer}}']], {}],
      ['Consumers: how long handlers take', second, [[quantile(0.95, 'sandlot_consumer_process_duration_seconds', '', 'consumer'), 'p95 {{consumer}}']], {}], // prettier-ignore
      ['Consumers: delivered again, skipped, given up', perSecond, [[rate('sandlot_consumer_redeliveries_total', 'consumer'), '{{consumer}} again'], [rate('sandlot_consumer_skipped_total', 'consumer'), '{{consumer}} skipped'], [rate('sandlot_dead_letters_total', 'consumer'), '{{consumer}} given up']], {}], // prettier-ignore
      ['Dead letters', count, [['max by (consumer) (sandlot_parked_messages{NS})', '{{consumer}}']], {}],
      ['Reconcilers: how long runs take', second, [[quantile(0.95, 'sandlot_reconcile_duration_seconds', '', 'kind'), 'p95 {{kind}}']], {}],
      ['Reconcilers: failed runs, waiting ids', count, [[rate('sandlot_reconcile_duration_seconds_count', 'kind', 'outcome="failed", '), '{{kind}} failed per second'], ['sum by (kind) (sandlot_reconcile_queue_depth{NS})', '{{kind}} waiting']], {}], // prettier-ignore
    ],
  },
  limits: {
    title: 'Sandlot 5: users, quotas and rate limits',
    panels: [
      ['Decisions of limits', perSecond, [[rate('sandlot_ratelimit_decisions_total', 'policy, decision'), '{{policy}} {{decision}}']], {}],
      ['Refused for want of quota or rate', perSecond, [[rate('sandlot_refusals_total', 'code', 'code=~"RATE_LIMITED|QUOTA_.*|TOO_MANY.*", '), '{{code}}']], {}], // prettier-ignore
      [
        'Credentials that were refused',
        perSecond,
        [[rate('sandlot_auth_attempts_total', 'method', 'outcome="refused", '), '{{method}}']],
        {},
      ],
      ['Sandboxes of all users', count, [['max by (state) (sandlot_sandboxes{NS})', '{{state}}']], {}],
      [
        'Changes to users and keys',
        perSecond,
        [[rate('sandlot_events_appended_total', 'category', 'category=~"user|apikey|ledger", '), '{{category}}']],
        {},
      ],
      ['Failures to keep quotas and policies in namespaces', perSecond, [[rate('sandlot_reconcile_duration_seconds_count', 'kind', 'outcome="failed", kind=~"quota|network-policy|service-account|namespace", '), '{{kind}}']], {}], // prettier-ignore
    ],
  },
  dependencies: {
    title: 'Sandlot 6: dependencies and runtime',
    panels: [
      ['Kubernetes API: requests', perSecond, [[rate('sandlot_kubernetes_request_duration_seconds_count', 'resource, status'), '{{resource}} {{status}}']], {}], // prettier-ignore
      ['Kubernetes API: how long they take', second, [[quantile(0.99, 'sandlot_kubernetes_request_duration_seconds', 'method!="WATCH", ', 'method'), 'p99 {{method}}']], {}], // prettier-ignore
      [
        'Kubernetes API: nothing heard for',
        second,
        [['max by (resource) (sandlot_informer_last_event_age_seconds{NS})', '{{resource}}']],
        {},
      ],
      ['NATS: healthy', count, [['min by (server) (sandlot_nats_up{NS})', '{{server}}']], {}],
      ['NATS: storage', bytes, [['max by (server) (sandlot_nats_storage_bytes{NS})', '{{server}}'], ['max by (server) (sandlot_nats_storage_limit_bytes{NS})', '{{server}} limit']], {}], // prettier-ignore
      ['PostgreSQL: connections', count, [['sum by (pool, state) (sandlot_db_pool_connections{NS})', '{{pool}} {{state}}']], {}],
      ['Which services apply their read models', count, [['sum by (component) (sandlot_leader{NS})', '{{component}}']], {}],
      ['Certificate expires', 'dateTimeFromNow', [['min(sandlot_certificate_expiry_timestamp_seconds{NS}) * 1000', '']], { stat: true }],
      [
        'Backups',
        count,
        [
          ['max by (outcome) (sandlot_backups_total{NS})', '{{outcome}}'],
          ['max(sandlot_backup_events{NS})', 'events in the last'],
        ],
        {},
      ],
      [
        'Last backup: time, size',
        count,
        [
          ['max(sandlot_backup_duration_seconds{NS})', 'seconds'],
          ['max(sandlot_backup_size_bytes{NS})', 'bytes'],
        ],
        {},
      ],
      ['Last backup that was checked against the log', 'dateTimeFromNow', [['max(sandlot_backup_last_verify_timestamp_seconds{NS}) * 1000', '']], { stat: true }], // prettier-ignore
      ['Memory', bytes, [['process_resident_memory_bytes{NS}', '{{instance}}']], {}],
      ['CPU', count, [['rate(process_cpu_seconds_total{NS}[$__rate_interval])', '{{instance}}']], {}],
      ['Event loop: delay', second, [['nodejs_eventloop_delay_p99_seconds{NS}', 'p99 {{instance}}']], {}],
      ['Event loop: utilisation', ratio, [['nodejs_eventloop_utilization_ratio{NS}', '{{instance}}']], {}],
    ],
  },
};

const datasource = { type: 'prometheus', uid: '${datasource}' };

function panel([title, unit, queries, { stat = false, bad }], index) {
  const thresholds = {
    mode: 'absolute',
    steps: [{ color: 'green', value: null }, ...(bad === undefined ? [] : [{ color: 'red', value: bad }])],
  };
  return {
    id: index + 1,
    title,
    type: stat ? 'stat' : 'timeseries',
    datasource,
    gridPos: { h: 8, w: 8, x: (index % 3) * 8, y: Math.floor(index / 3) * 8 },
    fieldConfig: { defaults: { unit, min: 0, thresholds, custom: stat ? {} : { fillOpacity: 8 } }, overrides: [] },
    options: stat ? { reduceOptions: { calcs: ['lastNotNull'] } } : { tooltip: { mode: 'multi' } },
    targets: queries.map(([expr, legendFormat], i) => ({
      refId: String.fromCharCode(65 + i),
      datasource,
      expr: expr.replace(/\bNS\b/g, 'namespace=~"$namespace"'),
      ...(legendFormat && { legendFormat }),
    })),
  };
}

/** One JSON document each, by its file's name. */
export const dashboards = Object.fromEntries(
  Object.entries(definitions).map(([name, { title, panels }]) => [
    name,
    {
      uid: `sandlot-${name}`,
      title,
      tags: ['sandlot'],
      schemaVersion: 39,
      editable: false,
      refresh: '30s',
      time: { from: 'now-6h', to: 'now' },
      templating: {
        list: [
          { name: 'datasource', type: 'datasource', query: 'prometheus' },
          {
            name: 'namespace',
            type: 'query',
            datasource,
            query: 'label_values(sandlot_build_info, namespace)',
            includeAll: true,
            allValue: '.*',
            current: { text: 'All', value: '$__all' },
            refresh: 2,
          },
        ],
      },
      links: [{ title: 'Sandlot', type: 'dashboards', tags: ['sandlot'], asDropdown: true }],
      panels: panels.map(panel),
    },
  ]),
);
