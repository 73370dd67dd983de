const sums = {
  gateway: { metric: 'sandlot_http_request_duration_seconds', labels: ['http_route="/api/v1/sandboxes"', 'http_request_method="POST"'] },
  provisioner: { metric: 'sandlot_rpc_duration_seconds', labels: ['subject="svc.provisioner.sandbox.request"'] },
};

/** Mean times between two looks at the standalone's own metrics. */
export function startHops(url) {
  return {
    async read() {
      const text = await (await fetch(url)).text();
      return Object.fromEntries(
        Object.entries(sums).map(([name, where]) => [name, { sum: find(text, where, 'sum'), count: find(text, where, 'count') }]),
      );
    },
    between(before, after) {
      const mean = (name) => ((after[name].sum - before[name].sum) * 1000) / (after[name].count - before[name].count);
      return Object.fromEntries(Object.keys(sums).map((name) => [name, +mean(name).toFixed(2)]));
    },
  };
}

function find(text, { metric, labels }, kind) {
  const lines = text.split('\n').filter((line) => line.startsWith(`${metric}_${kind}{`) && labels.every((label) => line.includes(label)));
  return lines.reduce(
    (total, line) =>
      total +
      Number(
        line
          .slice(line.lastIndexOf('}') + 1)
          .trim()
          .split(' ')[0],
      ),
    0,
  );
}
