import { z } from 'zod';

/** An amount as Kubernetes writes it: `500m`, `1.5`, `768Mi`. Exponents (`1e3`) are not taken: they read like a slip. */
export const Quantity = z
  .string()
  .max(20)
  .regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi)?$/, { error: 'must be a Kubernetes quantity like 500m, 2 or 768Mi', abort: true });

/** In bytes. `512m` would be half a byte: it is always a slip for `512Mi`. */
export const MemoryQuantity = Quantity.refine((value) => !value.endsWith('m'), { error: 'is in bytes: 512Mi, not 512m', abort: true });

const factors = {
  m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50,
} as const; // prettier-ignore

/** In thousandths of the base unit, rounded up as Kubernetes does: `500m` of CPU is 500. NaN for what is not a quantity. */
export function milliOf(quantity: string): number {
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(quantity) ?? [];
  const factor = factors[unit as keyof typeof factors] as number | undefined;
  return digits === undefined || factor === undefined ? NaN : Math.ceil(Number((Number(digits) * factor * 1000).toPrecision(15)));
}

export const sameQuantity = (one: string, other: string): boolean => one === other || milliOf(one) === milliOf(other);

/** For people: 1500 of CPU is `1500m`, 805306368000 of memory `768Mi`. */
export function quantityOf(resource: 'cpu' | 'memory', milli: number): string {
  if (milli % 1000 !== 0) return `${milli}m`;
  const units = milli / 1000;
  const unit = (['Gi', 'Mi', 'Ki'] as const).find((each) => resource === 'memory' && units > 0 && units % factors[each] === 0);
  return unit ? `${units / factors[unit]}${unit}` : String(units);
}
