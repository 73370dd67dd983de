import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { DynamicModule } from '@nestjs/common';
import { APP_INTERCEPTOR, DiscoveryModule } from '@nestjs/core';
import { IDEMPOTENCY_BUCKET } from '@sandlot/contracts';
import type { ServiceKit } from '@sandlot/service-kit';
import { AuditController } from './api/audit.controller.js';
import { ConsumersController } from './api/consumers.controller.js';
import { DeadLettersController } from './api/dead-letters.controller.js';
import { DocsController } from './api/docs.controller.js';
import { HealthController } from './api/health.controller.js';
import { MeController } from './api/me.controller.js';
import { OpenapiController } from './api/openapi.controller.js';
import { OperatedServices } from './api/operated-services.js';
import { Owners } from './api/owners.js';
import { ProblemsController } from './api/problems.controller.js';
import { ProjectionsController } from './api/projections.controller.js';
import { QuotasController } from './api/quotas.controller.js';
import { SandboxCount } from './api/sandbox-count.js';
import { SandboxListingController } from './api/sandbox-listing.controller.js';
import { SandboxOutcomes } from './api/sandbox-outcomes.js';
import { SandboxesController } from './api/sandboxes.controller.js';
import { UserApiKeysController } from './api/user-api-keys.controller.js';
import { UserSandboxesController } from './api/user-sandboxes.controller.js';
import { UsersController } from './api/users.controller.js';
import { Streaming } from './audit/streaming.js';
import type { GatewayConfig } from './config.js';
import { AnswerInterceptor } from './http/answer.interceptor.js';
import { RecentPositions } from './http/recent-positions.js';
import { IdempotencyInterceptor } from './idempotency/idempotency.interceptor.js';
import { IdempotencyKeys } from './idempotency/idempotency-keys.js';
import { ApiDocument } from './openapi/api-document.js';

class GatewayModule {}

/** The API owns nothing: it asks the services, and keeps only which requests with an Idempotency-Key it has seen. */
export async function gatewayModule({ nats, config }: ServiceKit<GatewayConfig>): Promise<DynamicModule> {
  // Read from the leader: a repetition must see what its first sight has written.
  const bucket = await new Kvm(jetstream(nats, { timeout: 2_000 })).open(IDEMPOTENCY_BUCKET, { allow_direct: false });
  return {
    module: GatewayModule,
    imports: [DiscoveryModule],
    controllers: [
      HealthController,
      OpenapiController,
      DocsController,
      ProblemsController,
      MeController,
      SandboxListingController,
      SandboxesController,
      UserSandboxesController,
      UsersController,
      UserApiKeysController,
      QuotasController,
      AuditController,
      ProjectionsController,
      ConsumersController,
      DeadLettersController,
    ],
    providers: [
      { provide: APP_INTERCEPTOR, useClass: AnswerInterceptor }, // the outer one: sends what is repeated, too
      { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
      { provide: IdempotencyKeys, useValue: new IdempotencyKeys(bucket, config.SANDLOT_IDENTITY_KEY) },
      ApiDocument,
      OperatedServices,
      Owners,
      RecentPositions,
      SandboxCount,
      SandboxOutcomes,
      Streaming,
    ],
  };
}
