/** One aggregate: how its past becomes its present, and what it lets happen next. Pure and synchronous. */
export interface Decider<State, Command, Event> {
  initialState: State;

  /** The facts that the command brings about; none when it is already so. Throws a DomainError when a rule forbids it. */
  decide(command: Command, state: State): Event[];

  /** The state after a fact. Facts it does not know leave it as it is, so that old code can read a newer log. */
  evolve(state: State, event: Event): State;
}

/** Closes a switch: a new case that nobody handles does not compile. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
