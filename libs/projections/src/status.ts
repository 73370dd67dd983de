import type { ProjectionRow } from './checkpoints.js';
import type { Line } from './line.js';
import { otherSlot, remedies, type ProjectionStatus, type Slot, type Stop } from './read-model.js';

export interface StatusSources {
  readonly service: string;
  readonly name: string;
  /** As the database had it at the last look. */
  readonly row?: ProjectionRow;
  /** Where this process is the active one. */
  readonly live?: Line;
  readonly build?: Line;
  /** Why the database or the log cannot be asked. */
  readonly away?: Stop;
  readonly logPosition?: number;
  readonly lagSeconds?: number;
}

export function statusFrom(sources: StatusSources): ProjectionStatus {
  const { service, name, row, live, away, lagSeconds } = sources;
  const slot = live?.slot ?? row?.live ?? 'blue';
  const { state, position, stopped } = away && !isStopped(live) ? waiting(sources, slot, away) : slotStatus(sources, slot, live);
  // The log is asked from time to time only, and has gone on since.
  const logPosition = sources.logPosition === undefined ? undefined : Math.max(sources.logPosition, position);
  const lagEvents = logPosition === undefined ? undefined : logPosition - position;
  return {
    service,
    name,
    state,
    active: live !== undefined,
    live: slot,
    position,
    ...(stopped && { stopped }),
    ...(logPosition !== undefined && { logPosition, lagEvents, lagSeconds: lagEvents === 0 ? 0 : (lagSeconds ?? 0) }),
    skipped: live?.skippedPositions ?? row?.skipped ?? [],
    ...rebuildStatus(sources, slot),
  };
}

function rebuildStatus(sources: StatusSources, live: Slot): Pick<ProjectionStatus, 'rebuild'> {
  const { row, build, logPosition } = sources;
  if (!build && !row?.building) return {};
  const { state, position, stopped } = slotStatus(sources, otherSlot(live), build);
  const target = Math.max(logPosition ?? 0, position);
  const progress = target === 0 ? 1 : position / target;
  return { rebuild: { reason: row?.buildReason ?? '', state, position, target, progress, ...(stopped && { stopped }) } };
}

function slotStatus({ row }: StatusSources, slot: Slot, line: Line | undefined): Pick<ProjectionStatus, 'state' | 'position' | 'stopped'> {
  if (line) return line;
  const checkpoint = row?.checkpoints[slot];
  if (!checkpoint) return { state: 'starting', position: 0 };
  const { stopped } = checkpoint;
  return {
    state: checkpoint.status,
    position: checkpoint.position,
    ...(stopped && { stopped: { ...stopped, remedy: remedies[stopped.code] } }),
  };
}

function waiting(sources: StatusSources, slot: Slot, stopped: Stop): Pick<ProjectionStatus, 'state' | 'position' | 'stopped'> {
  return { state: 'waiting', position: slotStatus(sources, slot, sources.live).position, stopped };
}

function isStopped(line: Line | undefined): boolean {
  return line?.state === 'parked' || line?.state === 'halted';
}
