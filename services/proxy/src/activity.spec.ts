import { Activity } from './activity.js';
import { clientOrigin } from './client-origin.js';
import { RequestTrail } from './record.js';

const records = { record: () => undefined };

function trailOf(sandboxId: string, kind: RequestTrail['kind']): RequestTrail {
  const trail = new RequestTrail(clientOrigin('127.0.0.1', 'http'), records);
  trail.sandboxId = sandboxId;
  trail.kind = kind;
  return trail;
}

function under(kind: RequestTrail['kind']) {
  const activity = new Activity();
  const trail = trailOf('a', kind);
  activity.begin(trail);
  return { activity, trail };
}

describe('a sandbox is in use', () => {
  it('by a request for as long as it is under way, however quiet', () => {
    const { activity, trail } = under('http');
    expect([activity.take(), activity.take()]).toEqual([['a'], ['a']]);
    trail.finish(200);
    expect([activity.take(), activity.take()]).toEqual([['a'], []]);
  });

  it('by a request that came and went since the last look, told once', () => {
    const { activity, trail } = under('http');
    trail.finish(200);
    expect([activity.take(), activity.take()]).toEqual([['a'], []]);
  });

  it.each(['websocket', 'tunnel'] as const)('by a %s while bytes pass, in either direction', (kind) => {
    const { activity, trail } = under(kind);
    activity.take();
    expect(activity.take()).toEqual([]);
    trail.bytesIn += 1;
    expect([activity.take(), activity.take()]).toEqual([['a'], []]);
    trail.bytesOut += 1;
    expect(activity.take()).toEqual(['a']);
    trail.finish(200);
    expect(activity.take()).toEqual([]);
  });

  it('by what passed just before its end', () => {
    const { activity, trail } = under('tunnel');
    activity.take();
    trail.bytesOut += 5;
    trail.finish(200);
    expect([activity.take(), activity.take()]).toEqual([['a'], []]);
  });

  it('with others', () => {
    const { activity } = under('http');
    activity.begin(trailOf('b', 'tunnel'));
    activity.begin(trailOf('b', 'http'));
    expect(activity.take().sort()).toEqual(['a', 'b']);
  });
});
