import { serveNative } from './native.js';

// As Envoy's page on edge proxies advises: paths normalised, escaped slashes and names with underscores refused.
await serveNative(
  'envoy',
  ({ port }) =>
    JSON.stringify({
      static_resources: {
        listeners: [
          {
            name: 'in',
            address: { socket_address: { address: '127.0.0.1', port_value: port } },
            tcp_backlog_size: 4096,
            filter_chains: [
              {
                filters: [
                  {
                    name: 'envoy.filters.network.http_connection_manager',
                    typed_config: {
                      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                      stat_prefix: 'in',
                      use_remote_address: true,
                      normalize_path: true,
                      merge_slashes: true,
                      path_with_escaped_slashes_action: 'REJECT_REQUEST',
                      common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
                      stream_idle_timeout: '3600s',
                      upgrade_configs: [{ upgrade_type: 'websocket' }],
                      http_filters: [
                        {
                          name: 'envoy.filters.http.router',
                          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
                        },
                      ],
                      route_config: {
                        virtual_hosts: [
                          {
                            name: 'all',
                            domains: ['*'],
                            routes: [{ match: { prefix: '/' }, route: { cluster: 'up', timeout: '0s' } }],
                          },
                        ],
                      },
                    },
                  },
                ],
              },
            ],
          },
        ],
        clusters: [
          {
            name: 'up',
            connect_timeout: '5s',
            circuit_breakers: { thresholds: [{ max_connections: 10000, max_requests: 10000, max_pending_requests: 10000 }] },
            load_assignment: {
              cluster_name: 'up',
              endpoints: [
                {
                  lb_endpoints: [
                    { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: Number(process.argv[2]) } } } },
                  ],
                },
              ],
            },
          },
        ],
      },
    }),
  ({ text }) => ['--config-yaml', text, '--concurrency', '1', '--disable-hot-restart', '-l', 'critical'],
);
