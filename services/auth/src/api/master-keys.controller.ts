import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { aggregateRef, authMessages as messages } from '@sandlot/contracts';
import { Commands } from '@sandlot/event-store';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { masterKeyDecider } from '../domain/masterkey/masterkey.js';
import { PERSONAL_VAULT, type PersonalVault } from '../ports.js';

@Controller()
export class MasterKeysController {
  constructor(
    private readonly commands: Commands,
    @Inject(PERSONAL_VAULT) private readonly vault: PersonalVault,
  ) {}

  /** The work is done before it is recorded, and can be repeated: what is done already does not count again. */
  @Handles(messages.RewrapDataKeys)
  async rewrap(@Payload() { context, after, limit }: z.output<typeof messages.RewrapDataKeys.request>) {
    const result = await this.vault.rewrap({ after, limit });
    const { position } = await this.commands.handle(context, async (work) => {
      const key = await work.load(masterKeyDecider, aggregateRef('masterkey', result.masterKey));
      key.decide({ type: 'RecordRewrapped', count: result.rewrapped });
    });
    return { position, result };
  }
}
