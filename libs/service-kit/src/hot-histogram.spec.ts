import { HotHistogram, hotHistograms } from './hot-histogram.js';

describe('a histogram for hot paths', () => {
  it('counts what is at most as large as each boundary, and shows it until it is closed', async () => {
    const histogram = new HotHistogram({ name: 'x_seconds', description: 'x', unit: 's', boundaries: [1, 2] });
    const series = histogram.series({ route: 'a' });
    for (const value of [0, 1, 1.5, 2, 3]) series.record(value);
    histogram.series({ route: 'b' });
    const shown = async () => (await hotHistograms.collect()).resourceMetrics.scopeMetrics[0]!.metrics;
    expect(await shown()).toMatchObject([
      {
        descriptor: { name: 'x_seconds', unit: 's' },
        dataPoints: [
          { attributes: { route: 'a' }, value: { buckets: { boundaries: [1, 2], counts: [2, 2, 1] }, count: 5, sum: 7.5 } },
          { attributes: { route: 'b' }, value: { count: 0 } },
        ],
      },
    ]);
    histogram.close();
    expect(await shown()).toEqual([]);
  });
});
