import { adminConfig } from '@sandlot/admin';
import { auditService } from '@sandlot/audit';
import { authService } from '@sandlot/auth';
import { gatewayService } from '@sandlot/gateway';
import { provisionerService } from '@sandlot/provisioner';
import { proxyService } from '@sandlot/proxy';
import { allSettings, definedSettings } from '@sandlot/service-kit';
import * as ours from './config.js';

it('every service that runs alone knows the settings of all the others, and no others', () => {
  expect([auditService, authService, gatewayService, provisionerService, proxyService, adminConfig, ours]).toHaveLength(7); // loaded, so defined
  expect(definedSettings()).toEqual([...allSettings].sort());
});
