import { createHash } from 'node:crypto';
import { metrics } from '@opentelemetry/api';
import { aggregateRef } from '@sandlot/contracts';
import { serviceContext, type Commands, type Revision } from '@sandlot/event-store';
import { millisecondsOf, newId, type Clock, type CommandContext, type UserId } from '@sandlot/kernel';
import { namespaceDecider, type Drift } from '../domain/namespace/namespace.js';
import type { FoundDrift } from '../ports.js';

const differencesAtMost = 50;

// Not before telemetry has started: earlier the API hands out deaf instruments.
const corrections = () =>
  metrics.getMeter('@sandlot/provisioner').createCounter('sandlot_drift_corrections_total', {
    description: "Objects in users' namespaces, and those themselves, that somebody else had changed and that are put back, by concern",
  });

/**
 * Tells the log what somebody has changed by hand, before it is put back. What is told is not in place any more for the log, so nobody tells
 * it again; and for those who find it at the same moment, the command's id follows from what was found.
 */
export async function recordDrift(
  commands: Commands,
  userId: UserId,
  concern: Drift['concern'],
  drift: readonly FoundDrift[],
  because: Revision,
  clock: Clock,
): Promise<void> {
  for (const { object, revision, missing, differences, fieldManager } of drift) {
    const state = missing ? `missing after ${because.version}` : revision;
    const fact = { concern, object, differences: differences.slice(0, differencesAtMost), ...(fieldManager && { fieldManager }) };
    const context: CommandContext = {
      ...serviceContext('provisioner', because, clock),
      commandId: idOf(userId, `${concern}\n${object}\n${state}`),
    };
    await commands.handle(context, async (work) => {
      (await work.load(namespaceDecider, aggregateRef('namespace', userId))).decide({ type: 'ReportDrift', drift: [fact] });
    });
    corrections().add(1, { concern });
  }
}

function idOf(userId: UserId, what: string) {
  const hash = createHash('sha256').update(`${userId}\n${what}`).digest();
  return newId('cmd', new Date(millisecondsOf(userId)), hash.subarray(0, 10));
}
