import type { ProjectionView } from '@sandlot/contracts';
import type { ProjectionStatus } from '@sandlot/projections';

function whyStopped(stopped: ProjectionStatus['stopped']): { reason: string | null; message: string | null } {
  if (!stopped) return { reason: null, message: null };
  return { reason: stopped.code, message: `${stopped.reason.replace(/\.$/, '')}. ${stopped.remedy}` };
}

/** How operators see a projection. */
export function viewOf(status: ProjectionStatus): ProjectionView {
  const { rebuild, stopped, logPosition } = status;
  return {
    name: status.name,
    service: status.service,
    status: status.state === 'running' && !status.active ? 'standby' : status.state,
    ...whyStopped(stopped),
    position: status.position,
    head: logPosition ?? null,
    lagEvents: status.lagEvents ?? null,
    rebuild: rebuild
      ? {
          position: rebuild.position,
          target: rebuild.target,
          ratio: rebuild.progress,
          status: rebuild.state,
          ...whyStopped(rebuild.stopped),
        }
      : null,
  };
}
