import type { Command } from 'commander';
import type { Session } from '../session.js';

/** Makes the action of a command, which is given its session, its arguments and its options. */
export type Act = <Options = Record<string, never>>(
  work: (session: Session, args: readonly (string | undefined)[], options: Options) => Promise<void>,
) => (...parameters: unknown[]) => Promise<void>;

/** Commander hands over the arguments one by one, then the options and the command itself. */
export function actionOf<Options>(
  open: (command: Command) => Session,
  work: (session: Session, args: readonly (string | undefined)[], options: Options) => Promise<void>,
): (...parameters: unknown[]) => Promise<void> {
  return async (...parameters) => {
    const command = parameters.at(-1) as Command;
    await work(open(command), parameters.slice(0, -2) as (string | undefined)[], command.opts<Options & Record<string, unknown>>());
  };
}
