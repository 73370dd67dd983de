export { gatewayService } from './service.js';
