let armed: { name: string; remaining: number } | undefined;

/** The places at which a crash is most telling: around every publish, every commit and every acknowledgement. */
export const crashPoints = [
  'append.before-publish',
  'append.after-publish',
  'projection.before-commit',
  'projection.after-commit',
  'consumer.before-ack',
  'runtime.after-apply',
  'kv.after-put',
] as const;
export type CrashPoint = (typeof crashPoints)[number];

/** Makes the process kill itself, as by `kill -9`, when it passes the point for the `nth` time. For crash tests only. */
export function armCrashPoint(name: CrashPoint, nth = 1): void {
  armed = { name, remaining: nth };
}

export function crashPoint(name: CrashPoint): void {
  if (armed?.name !== name) return;
  armed.remaining -= 1;
  if (armed.remaining <= 0) process.kill(process.pid, 'SIGKILL');
}
