import { Command, CommanderError, Option } from 'commander';
import { ConfigError, errorChain, version, type Environment } from '@sandlot/service-kit';
import { actionOf, type Act } from './commands/act.js';
import { backupCommand, restoreCommand } from './commands/backup.js';
import { healthCommand } from './commands/health.js';
import { consumersCommand, deadLettersCommand, projectionsCommand } from './commands/operations.js';
import { keysCommand } from './commands/keys.js';
import { migrateCommand } from './commands/migrate.js';
import { configCommand, preflightCommand } from './commands/preflight.js';
import { resetCommand, statusCommand, supportBundleCommand } from './commands/support.js';
import { verifyCommand } from './commands/verify.js';
import { exitCodes, Failure, type Outcome } from './failure.js';
import type { Streams } from './output.js';
import { Session, type GlobalOptions } from './session.js';

/** Runs one command line; returns the exit code. Nothing is printed to standard output but the answer. */
export async function runAdmin(args: readonly string[], env: Environment, streams: Streams): Promise<number> {
  const open = (command: Command): Session => new Session(command.optsWithGlobals<GlobalOptions>(), env, streams);
  try {
    await program((work) => actionOf(open, work), streams).parseAsync([...args], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    return exitCodes[told(error, streams)];
  }
}

export function program(act: Act, streams: Streams): Command {
  const root = new Command('sandlot-admin')
    .description('Looks after a Sandlot platform: by its API, and by NATS where the API cannot.')
    .version(version)
    .addOption(new Option('-o, --output <format>', 'how answers are printed').choices(['table', 'json']).default('table'))
    .option('--url <url>', 'where the platform is (SANDLOT_URL)')
    .option('--key-file <file>', "file with an administrator's API key (SANDLOT_ADMIN_KEY_PATH)")
    .option('--data-dir <folder>', 'folder of make up (SANDLOT_DATA_DIR)')
    .option('-q, --quiet', 'nothing on standard error but errors')
    .showHelpAfterError('(sandlot-admin --help lists what there is)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 usage or settings, 3 not let in, 4 not found, 5 conflict, 6 limited, 7 timeout, 8 unreachable.\nSettings: docs/reference/settings.md.',
    );
  const commands = [
    preflightCommand(act),
    configCommand(act),
    migrateCommand(act),
    statusCommand(act),
    healthCommand(act),
    projectionsCommand(act),
    consumersCommand(act),
    deadLettersCommand(act),
    backupCommand(act),
    restoreCommand(act),
    verifyCommand(act),
    keysCommand(act),
    supportBundleCommand(act),
    resetCommand(act),
  ];
  for (const command of commands) root.addCommand(command);
  everyCommand(root, (command) =>
    command
      .exitOverride()
      .configureOutput({ writeOut: (text) => void streams.stdout.write(text), writeErr: (text) => void streams.stderr.write(text) }),
  );
  return root;
}

function everyCommand(command: Command, change: (command: Command) => unknown): void {
  change(command);
  for (const child of command.commands) everyCommand(child, change);
}

/** Says what went wrong, once, and how that ends. */
function told(error: unknown, { stderr }: Streams): Outcome {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 'ok' : 'usage'; // Commander has said it
  if (error instanceof ConfigError) {
    stderr.write(`${error.message}\n`);
    return 'usage';
  }
  if (!(error instanceof Failure)) {
    stderr.write(`error: ${errorChain(error)}\n`);
    return 'failed';
  }
  const { code, hint, requestId } = error.more;
  stderr.write(`error: ${error.message}${code ? ` (${code})` : ''}\n`);
  if (hint) stderr.write(`hint: ${hint}\n`);
  if (requestId) stderr.write(`request: ${requestId}\n`);
  return error.outcome;
}
