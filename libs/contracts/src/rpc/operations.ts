import { z } from 'zod';
import {
  ConsumerView,
  DeadLetterView,
  PauseConsumerBody,
  ProjectionView,
  ReconcileReport,
  ReplayBody,
  SkipBody,
} from '../http/operations.js';
import { CommandContextSchema, defineCommand, defineQuery } from './message.js';

/** The services that run projections and consumers, each answering for its own. */
export const operatedServices = ['auth', 'provisioner', 'audit'] as const;
export type OperatedService = (typeof operatedServices)[number];

const context = CommandContextSchema;
const done = z.object({});

/** What operators ask of a service. The gateway asks every service, or the one that a name begins with. */
export function operationsOf(service: OperatedService) {
  const projection = z.object({ context, name: z.string() });
  const consumer = z.object({ context, name: z.string() });
  const letter = z.object({ context, id: z.int().min(1) });
  return {
    listProjections: defineQuery(`svc.${service}.projection.list`, z.object({}), z.array(ProjectionView)),
    rebuildProjection: defineCommand(`svc.${service}.projection.rebuild`, projection.extend({ reason: z.string() }), done),
    retryProjection: defineCommand(`svc.${service}.projection.retry`, projection, done),
    skipPosition: defineCommand(`svc.${service}.projection.skip`, projection.extend(SkipBody.shape), done),
    listConsumers: defineQuery(`svc.${service}.consumer.list`, z.object({}), z.array(ConsumerView)),
    pauseConsumer: defineCommand(`svc.${service}.consumer.pause`, consumer.extend(PauseConsumerBody.shape), done),
    resumeConsumer: defineCommand(`svc.${service}.consumer.resume`, consumer, done),
    /** Handles everything from there on again and says what changed. */
    replayConsumer: defineCommand(`svc.${service}.consumer.replay`, consumer.extend({ from: ReplayBody }), ReconcileReport),
    listDeadLetters: defineQuery(
      `svc.${service}.deadletter.list`,
      z.object({ after: z.int().optional(), limit: z.int(), consumer: z.string().optional() }),
      z.array(DeadLetterView),
    ),
    replayDeadLetter: defineCommand(`svc.${service}.deadletter.replay`, letter, done),
    discardDeadLetter: defineCommand(`svc.${service}.deadletter.discard`, letter, done),
  };
}
