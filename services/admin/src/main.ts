#!/usr/bin/env node
import { runAdmin } from './program.js';
import { logger } from '@sandlot/service-kit';
import { exitCodes } from './failure.js';

logger.level = 'silent'; // what goes wrong is told once, at the end
process.on('SIGINT', () => process.exit(exitCodes.interrupted));
process.exitCode = await runAdmin(process.argv.slice(2), process.env, process);
