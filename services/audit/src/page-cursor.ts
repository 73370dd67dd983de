import { DomainError } from '@sandlot/kernel';
import type { Params } from './params.js';

export interface Placed {
  at: Date;
  id: string;
}

/** Where a page that is ordered by time and id ends. */
export const cursorAt = ({ at, id }: Placed): string => Buffer.from(`${at.toISOString()} ${id}`).toString('base64url');

/** The condition for what comes behind a page, if there was one. */
export function afterCursor(cursor: string | undefined, order: 'asc' | 'desc', params: Params): string[] {
  if (cursor === undefined) return [];
  const [at, id, ...more] = Buffer.from(cursor, 'base64url').toString('utf8').split(' ');
  if (!at || !id || more.length > 0 || Number.isNaN(Date.parse(at))) throw invalidCursor(cursor);
  return [`(at, id) ${order === 'desc' ? '<' : '>'} (${params.add(at)}::timestamptz, ${params.add(id)})`];
}

export const invalidCursor = (text: string): DomainError =>
  new DomainError('INVALID_CURSOR', `${JSON.stringify(text.slice(0, 64))} is not a cursor of this list`);
