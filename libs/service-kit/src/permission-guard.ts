import {
  createParamDecorator,
  Inject,
  Injectable,
  SetMetadata,
  type CanActivate,
  type ExecutionContext,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { DomainError, systemClock, type Clock } from '@sandlot/kernel';
import { IDENTITY_HEADER, verifyIdentity, type IdentityClaims } from './identity.js';
import { may, type PermissionName } from './permissions.js';
import { nameCaller } from './request-context.js';

/** Who sends the request, as the proxy has found out. */
export type Caller = Omit<IdentityClaims, 'iat'>;

export interface GuardOptions {
  /** Which the proxy signs with. */
  readonly identityKey: string;
  readonly clock?: Clock;
}

const PERMISSION = 'sandlot:permission';
const GUARD_OPTIONS = Symbol('guard options');
const publicRoute = 'public';
type RouteAccess = PermissionName | typeof publicRoute;

/** The one permission that the route needs. It is also in the route's OpenAPI description. */
export const Permission = (name: PermissionName): MethodDecorator => SetMetadata<string, RouteAccess>(PERMISSION, name);

/** The route needs no key. */
export const Public = (): MethodDecorator => SetMetadata<string, RouteAccess>(PERMISSION, publicRoute);

/** The caller, as a parameter: `@Caller() caller: Caller`. Only on routes that are not public. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Caller => {
  const { caller } = context.switchToHttp().getRequest<GuardedRequest>();
  if (!caller) throw new DomainError('UNAUTHENTICATED', 'no caller is known');
  return caller;
});

interface GuardedRequest {
  headers: Record<string, string | string[] | undefined>;
  caller?: Caller;
}

/** Lets through what the caller's role has the route's permission for. A route without a permission refuses everybody. */
@Injectable()
export class PermissionGuard implements CanActivate, OnApplicationBootstrap {
  private readonly clock: Clock;

  constructor(
    @Inject(GUARD_OPTIONS) private readonly options: GuardOptions,
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(DiscoveryService) private readonly discovery: DiscoveryService,
  ) {
    this.clock = options.clock ?? systemClock;
  }

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const access = this.reflector.get<RouteAccess | undefined>(PERMISSION, context.getHandler());
    if (access === publicRoute) return true;
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    const claims = verifyIdentity(request.headers[IDENTITY_HEADER], this.options.identityKey, { now: this.clock.now() });
    if (!claims) throw new DomainError('UNAUTHENTICATED', 'An API key is needed: send it as Authorization: Bearer <key>.');
    const { iat: _, ...caller } = claims;
    nameCaller(caller.userId);
    if (!access || !may(caller.role, access))
      throw new DomainError('FORBIDDEN', `This needs the permission ${access ?? 'of nobody'}.`, access ? { permission: access } : {});
    request.caller = caller;
    return true;
  }

  /** A route that nobody has thought about must not reach production, not even as a refusal. */
  onApplicationBootstrap(): void {
    const open = routesOf(this.discovery).filter(({ access }) => access === undefined);
    if (open.length > 0) throw new Error(`these routes have neither @Permission nor @Public: ${open.map(({ id }) => id).join(', ')}`);
  }
}

export interface GuardedRoute {
  /** `SandboxesController.pause` */
  readonly id: string;
  readonly controller: string;
  readonly method: string;
  readonly access: RouteAccess | undefined;
}

/** Every HTTP route of the application with what it needs. Tests list them to see that none is forgotten. */
export function routesOf(discovery: DiscoveryService): GuardedRoute[] {
  const scanner = new MetadataScanner();
  return discovery.getControllers().flatMap(({ instance, metatype }) => {
    const prototype = Object.getPrototypeOf(instance ?? {}) as Record<string, unknown>;
    const controller = metatype?.name ?? '';
    return scanner.getAllMethodNames(prototype).flatMap((method): GuardedRoute[] => {
      const handler = prototype[method] as object;
      // Nest marks HTTP handlers with the method; handlers of messages have none.
      if (Reflect.getMetadata('method', handler) === undefined) return [];
      return [
        { id: `${controller}.${method}`, controller, method, access: Reflect.getMetadata(PERMISSION, handler) as RouteAccess | undefined },
      ];
    });
  });
}

/** Providers that guard every route of the module's application. The module also imports Nest's DiscoveryModule. */
export const guardOptions = (options: GuardOptions) => ({ provide: GUARD_OPTIONS, useValue: options });
