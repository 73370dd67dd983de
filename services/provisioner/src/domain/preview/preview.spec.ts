import { newId } from '@sandlot/kernel';
import { PreviewOpened, PreviewRevoked, type PreviewEvent } from '@sandlot/contracts';
import { MAX_OPEN, previewDecider, previewsAt } from './preview.js';

const at = '2026-11-26T20:00:00.000Z';
const later = (seconds: number) => new Date(Date.parse(at) + seconds * 1000).toISOString();
const opened = (id = newId('prv'), expiresAt = later(60), openedAt = at) =>
  PreviewOpened({ previewId: id, port: 8888, public: false, openedAt, expiresAt });
const given = (...events: PreviewEvent[]) => events.reduce(previewDecider.evolve, previewDecider.initialState);
const id = newId('prv');

describe('previews of a sandbox', () => {
  it('are opened for a while', () => {
    const command = { type: 'OpenPreview', id, port: 3000, public: true, at, ttlSeconds: 90 } as const;
    expect(previewDecider.decide(command, given())).toEqual([
      PreviewOpened({ previewId: id, port: 3000, public: true, openedAt: at, expiresAt: later(90) }),
    ]);
  });

  it('are refused when too many are open, and not when those have expired', () => {
    const full = given(...Array.from({ length: MAX_OPEN }, () => opened()));
    const command = (time: string) => ({ type: 'OpenPreview', id, port: 1, public: false, at: time, ttlSeconds: 60 }) as const;
    expect(() => previewDecider.decide(command(at), full)).toThrow(expect.objectContaining({ code: 'QUOTA_EXCEEDED' }));
    expect(previewDecider.decide(command(later(60)), full)).toHaveLength(1);
  });

  it('are revoked while they are open', () => {
    expect(previewDecider.decide({ type: 'RevokePreview', id, at }, given(opened(id)))).toEqual([PreviewRevoked({ previewId: id })]);
    for (const state of [given(), given(opened(id), PreviewRevoked({ previewId: id })), given(opened(id, at, later(-60)))])
      expect(() => previewDecider.decide({ type: 'RevokePreview', id, at }, state)).toThrow(
        expect.objectContaining({ code: 'PREVIEW_NOT_FOUND' }),
      );
  });

  it('are forgotten when the next is opened after they have expired', () => {
    const state = given(opened(), opened(id, later(300), later(120)));
    expect([...state.open.keys()]).toEqual([id]);
    expect(previewsAt(state, later(300))).toEqual([]);
  });
});
