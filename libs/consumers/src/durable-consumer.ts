import { applyDecorators, Catch, Controller, SetMetadata, UseFilters, type ExceptionFilter } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { throwError, type Observable } from 'rxjs';
import type { FailurePolicy } from './failure-policy.js';

/** One event on its way to a handler: `@Ctx() delivery: Delivery`. */
export interface Delivery {
  readonly durable: string;
  readonly subject: string;
  /** The event's position in the log. */
  readonly position: number;
  /** 1 for the first delivery; counts every delivery since, those that a crash cut short included. */
  readonly attempt: number;
  /** Aborts when the service stops and the grace for running handlers is over: give up, the event comes again elsewhere. */
  readonly signal: AbortSignal;
}

export interface DurableConsumerOptions {
  /** Permanent, for the broker keeps the position under it: `<service>-<concern>`, lower case letters, digits and `-`. */
  durable: string;
  /** What to do with an event when its handler has thrown. There is no default: every concern decides for itself. */
  onError: (error: unknown, delivery: Delivery) => FailurePolicy;
  /**
   * How long the broker waits for a sign of life before it hands the event to somebody else, in ms. Default 30,000. Running handlers give
   * one every third of it, so it limits how soon a crash is noticed, not how long a handler may take.
   */
  ackWaitMs?: number;
  /** How many events this process handles at once, 1 to 256. Default 32. */
  concurrency?: number;
}

export type HandlerClass = abstract new (...args: never[]) => object;

export const JETSTREAM = Symbol('JETSTREAM');
const OPTIONS = Symbol('sandlot:durable-consumer');
const OWNER = Symbol('sandlot:handler-class');

/** Nest would replace what a handler throws by "Internal server error"; the failure policy needs the error itself. */
@Catch()
class PassThroughFilter implements ExceptionFilter<unknown> {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/**
 * Makes a class the handler of a durable consumer on the log; list it among the `controllers` of its module. Events reach it at least
 * once and in no particular order.
 *
 * The events of an `@OnEvent` that is added later are delivered from the consumer's present position on, not from the beginning.
 */
export function DurableConsumer(options: DurableConsumerOptions): ClassDecorator {
  const { durable, onError, ackWaitMs = 30_000, concurrency = 32 } = options;
  if (!/^[a-z][a-z0-9-]{0,63}$/.test(durable)) throw new TypeError(`not a name for a durable consumer: ${JSON.stringify(durable)}`);
  if (typeof onError !== 'function') throw new TypeError(`${durable} needs onError: what is to become of an event that failed`);
  if (!(ackWaitMs >= 300)) throw new RangeError(`${durable}: ackWaitMs is at least 300`);
  if (!(concurrency >= 1 && concurrency <= 256)) throw new RangeError(`${durable}: concurrency is 1 to 256`);
  return applyDecorators(
    Controller(),
    UseFilters(new PassThroughFilter()),
    SetMetadata(OPTIONS, { durable, onError, ackWaitMs, concurrency }),
  );
}

/** Handles the events on these subjects, as with `allOf('sandbox')`. The subjects of one class must not overlap. */
export function OnEvent(...subjects: [string, ...string[]]): MethodDecorator {
  // Not EventPattern('literal'): that overload refuses handlers with a typed @Ctx().
  return (target, key, descriptor) => EventPattern<string[]>(subjects, JETSTREAM, { [OWNER]: target.constructor })(target, key, descriptor);
}

export function optionsOf(handlerClass: HandlerClass): Required<DurableConsumerOptions> | undefined {
  return Reflect.getOwnMetadata(OPTIONS, handlerClass) as Required<DurableConsumerOptions> | undefined;
}

/** The class in which a handler was declared, from what Nest passes on with it. */
export function ownerOf(extras: Record<PropertyKey, unknown>): HandlerClass | undefined {
  return extras[OWNER] as HandlerClass | undefined;
}
