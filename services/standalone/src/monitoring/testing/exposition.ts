/** A metric as a process shows it. */
export interface ShownMetric {
  readonly type: string;
  readonly help: string;
  readonly labels: ReadonlySet<string>;
}

/** Prometheus' text format, as far as it says which metrics there are. */
export function shownMetrics(text: string): Map<string, ShownMetric> {
  const shown = new Map<string, { type: string; help: string; labels: Set<string> }>();
  const of = (name: string) => {
    let metric = shown.get(name);
    if (!metric) shown.set(name, (metric = { type: '', help: '', labels: new Set() }));
    return metric;
  };
  for (const line of text.split('\n')) {
    const comment = /^# (TYPE|HELP) (\S+) (.*)$/.exec(line);
    if (comment?.[1] === 'TYPE') of(comment[2]!).type = comment[3]!;
    else if (comment) of(comment[2]!).help = comment[3]!;
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? /.exec(line);
    if (!sample) continue;
    const family = sample[1]!.replace(/_(bucket|sum|count)$/, '');
    const metric = of(shown.get(family)?.type === 'histogram' ? family : sample[1]!);
    for (const [, label] of (sample[2] ?? '').matchAll(/(\w+)="/g)) if (label !== 'le') metric.labels.add(label!);
  }
  return shown;
}
