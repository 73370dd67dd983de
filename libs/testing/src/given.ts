import { DomainError, type Decider } from '@sandlot/kernel';

/** Given a past, when a command comes, then these facts follow. */
export function given<State, Command, Event>(decider: Decider<State, Command, Event>) {
  return (...past: Event[]) => ({
    when: (command: Command) => {
      const decide = () => decider.decide(command, past.reduce(decider.evolve, decider.initialState));
      return {
        then: (...facts: Event[]) => expect(decide()).toEqual(facts),
        thenNothing: () => expect(decide()).toEqual([]),
        thenRefused: (code: string) => {
          try {
            decide();
          } catch (error) {
            if (error instanceof DomainError) return expect(error.code).toBe(code);
            throw error;
          }
          throw new Error(`expected a refusal with ${code}`);
        },
      };
    },
  });
}
