import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

export const repositoryPath = (...path: string[]): string => join(import.meta.dirname, '..', '..', '..', '..', '..', ...path);

export async function yamlFile<T>(...path: string[]): Promise<T> {
  return parse(await readFile(repositoryPath(...path), 'utf8'), { merge: true }) as T;
}

export function yamlDocuments<T>(text: string): T[] {
  return parseAllDocuments(text)
    .map((document) => {
      if (document.errors[0]) throw document.errors[0];
      return document.toJS() as T | null;
    })
    .filter((document): document is T => document !== null && document !== undefined);
}
