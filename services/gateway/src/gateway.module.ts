import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { DynamicModule } from '@nestjs/common';
import { APP_INTERCEPTOR, DiscoveryModule } from '@nestjs/core';
import { IDEMPOTENCY_BUCKET } from '@sandlot/contracts';
import { passKey, type ServiceKit } from '@sandlot/service-kit';
import { AccessController } from './api/access.controller.js';
import { AuditController } from './api/audit.controller.js';
import { ConsumersController } from './api/consumers.controller.js';
import { DeadLettersController } from './api/dead-letters.controller.js';
import { DocsController } from './api/docs.controller.js';
import { HealthCodesController } from './api/health-codes.controller.js';
import { HealthController } from './api/health.controller.js';
import { LimitsController } from './api/limits.controller.js';
import { MasterKeysController } from './api/master-keys.controller.js';
import { MeController } from './api/me.controller.js';
import { NamespacesController } from './api/namespaces.controller.js';
import { OpenapiController } from './api/openapi.controller.js';
import { OperatedServices } from './api/operated-services.js';
import { Owners } from './api/owners.js';
import { PreviewsController } from './api/previews.controller.js';
import { PlatformHealthController } from './api/platform-health.controller.js';
import { ProblemsController } from './api/problems.controller.js';
import { ProjectionsController } from './api/projections.controller.js';
import { QuotasController } from './api/quotas.controller.js';
import { RoutingController } from './api/routing.controller.js';
import { RunbooksController } from './api/runbooks.controller.js';
import { SandboxCount } from './api/sandbox-count.js';
import { RebuildController } from './api/rebuild.controller.js';
import { SandboxListingController } from './api/sandbox-listing.controller.js';
import { SandboxOutcomes } from './api/sandbox-outcomes.js';
import { SandboxesController } from './api/sandboxes.controller.js';
import { SessionsController } from './api/sessions.controller.js';
import { UserApiKeysController } from './api/user-api-keys.controller.js';
import { UserSandboxesController } from './api/user-sandboxes.controller.js';
import { UsersController } from './api/users.controller.js';
import { Streaming } from './audit/streaming.js';
import type { GatewayConfig } from './config.js';
import { OperationsBucket } from './health/operations-bucket.js';
import { PlatformHealth } from './health/platform-health.js';
import { Surroundings } from './health/surroundings.js';
import { AnswerInterceptor } from './http/answer.interceptor.js';
import { RecentPositions } from './http/recent-positions.js';
import { IdempotencyInterceptor } from './idempotency/idempotency.interceptor.js';
import { IdempotencyKeys } from './idempotency/idempotency-keys.js';
import { ApiDocument } from './openapi/api-document.js';
import { PreviewLinks } from './preview-links.js';

class GatewayModule {}

/** The API owns nothing: it asks the services, and keeps only which requests with an Idempotency-Key it has seen. */
export async function gatewayModule({ nats, config }: ServiceKit<GatewayConfig>): Promise<DynamicModule> {
  // Read from the leader: a repetition must see what its first sight has written.
  const operations = await OperationsBucket.open(nats);
  const bucket = await new Kvm(jetstream(nats, { timeout: 2_000 })).open(IDEMPOTENCY_BUCKET, { allow_direct: false });
  return {
    module: GatewayModule,
    imports: [DiscoveryModule],
    controllers: [
      HealthController,
      PlatformHealthController,
      OpenapiController,
      DocsController,
      ProblemsController,
      MeController,
      SandboxListingController,
      SandboxesController,
      PreviewsController,
      UserSandboxesController,
      SessionsController,
      UsersController,
      UserApiKeysController,
      QuotasController,
      LimitsController,
      NamespacesController,
      AuditController,
      AccessController,
      ProjectionsController,
      ConsumersController,
      RebuildController,
      MasterKeysController,
      RoutingController,
      HealthCodesController,
      RunbooksController,
      DeadLettersController,
    ],
    providers: [
      { provide: APP_INTERCEPTOR, useClass: AnswerInterceptor }, // the outer one: sends what is repeated, too
      { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
      { provide: IdempotencyKeys, useValue: new IdempotencyKeys(bucket, config.SANDLOT_IDENTITY_KEY) },
      { provide: PreviewLinks, useValue: new PreviewLinks(config.SANDLOT_PREVIEW_DOMAIN, passKey(config)) },
      ApiDocument,
      OperatedServices,
      Owners,
      PlatformHealth,
      RecentPositions,
      SandboxCount,
      SandboxOutcomes,
      Streaming,
      {
        provide: Surroundings,
        useValue: new Surroundings({
          nats,
          bucket: operations,
          natsMonitoringUrls: config.SANDLOT_NATS_MONITORING_URLS,
          backupMaxAgeMs: config.SANDLOT_BACKUP_MAX_AGE * 1_000,
        }),
      },
    ],
  };
}
