/** Where infrastructure takes the time from; the domain gets it with the command. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };
