import { DomainError, unreachable, type Decider } from '@sandlot/kernel';
import { PreviewOpened, PreviewRevoked, type PreviewEvent, type PreviewId, type RoutePreview } from '@sandlot/contracts';

/** A preview that was opened and not revoked. Whether it has expired, whoever asks tells by the time that it is. */
export interface OpenPreview extends RoutePreview {
  id: PreviewId;
  openedAt: string;
}

/** The previews of one sandbox. They end with the sandbox: its route is gone then, and with it every way to them. */
export interface Previews {
  open: ReadonlyMap<PreviewId, OpenPreview>;
}

export type PreviewCommand =
  | { type: 'OpenPreview'; id: PreviewId; port: number; public: boolean; at: string; ttlSeconds: number }
  | { type: 'RevokePreview'; id: PreviewId; at: string };

/** At a time, per sandbox: all of them stand in its route, which every proxy holds in memory. */
export const MAX_OPEN = 20;

export const previewDecider: Decider<Previews, PreviewCommand, PreviewEvent> = {
  initialState: { open: new Map() },
  decide(command, previews) {
    switch (command.type) {
      case 'OpenPreview':
        return open(command, previews);
      case 'RevokePreview':
        if (!previewsAt(previews, command.at).some(({ id }) => id === command.id))
          throw new DomainError('PREVIEW_NOT_FOUND', 'No preview of this sandbox with this id is open');
        return [PreviewRevoked({ previewId: command.id })];
      default:
        return unreachable(command);
    }
  },
  evolve(previews, event) {
    switch (event.type) {
      case 'preview.opened.v1': {
        const { previewId: id, openedAt } = event.data;
        // What has expired by now is of no use to anybody; without this, the map would grow for as long as the sandbox lives.
        const still = [...previews.open].filter(([, { expiresAt }]) => expiresAt > openedAt);
        return { open: new Map([...still, [id, { ...event.data, id }]]) };
      }
      case 'preview.revoked.v1':
        return { open: new Map([...previews.open].filter(([id]) => id !== event.data.previewId)) };
      default:
        return previews;
    }
  },
};

/** @param at RFC 3339 in UTC with milliseconds, as all of ours are, so that they sort as they are */
export const previewsAt = ({ open }: Previews, at: string): OpenPreview[] => [...open.values()].filter(({ expiresAt }) => expiresAt > at);

function open(
  { id, port, public: isPublic, at, ttlSeconds }: Extract<PreviewCommand, { type: 'OpenPreview' }>,
  previews: Previews,
): PreviewEvent[] {
  const holders = previewsAt(previews, at);
  if (holders.length >= MAX_OPEN)
    throw new DomainError('QUOTA_EXCEEDED', `At most ${MAX_OPEN} previews of a sandbox are open at a time`, {
      holders: holders.map((each) => each.id),
    });
  const expiresAt = new Date(Date.parse(at) + ttlSeconds * 1000).toISOString();
  return [PreviewOpened({ previewId: id, port, public: isPublic, openedAt: at, expiresAt })];
}
