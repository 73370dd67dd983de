import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The network of a node's pods, which this machine reaches. */
export interface Bridge {
  /** Of the interface: `sandlottb7`. */
  name: string;
  /** `7`: no other of this machine has it. */
  number: number;
  /** The machine's address on it, and the node's. */
  address: string;
  /** `10.213.7.0/24`. */
  subnet: string;
  /** Of Services, `10.96.7.0/24`: another one for each, because a test may take the addresses of the API server and of DNS in it, .1 and .10. */
  services: string;
  remove(): Promise<void>;
}

const run = promisify(execFile);
const PREFIX = 'sandlottb';
const MOST = 250;

/** The first number that is free on this machine: an interface's name is taken by one alone. */
export async function makeBridge(): Promise<Bridge> {
  for (let number = 1; number <= MOST; number++) {
    const name = `${PREFIX}${number}`;
    try {
      await run('ip', ['link', 'add', name, 'type', 'bridge']);
    } catch (error) {
      if ((error as { stderr?: string }).stderr?.includes('File exists')) continue;
      throw new Error(`a network for pods could not be made: ${(error as { stderr?: string }).stderr?.trim()}`, { cause: error });
    }
    const address = `10.213.${number}.1`;
    await run('ip', ['address', 'add', `${address}/24`, 'dev', name]);
    await run('ip', ['link', 'set', name, 'up']);
    return {
      name,
      number,
      address,
      subnet: `10.213.${number}.0/24`,
      services: `10.96.${number}.0/24`,
      remove: async () => void (await run('ip', ['link', 'delete', name])),
    };
  }
  throw new Error(`${MOST} networks of test clusters are there already; remove what was left behind: ip link delete ${PREFIX}1 ...`);
}

export function removeBridgeScript({ name }: Bridge): string {
  return `ip link delete ${name} 2>/dev/null`;
}
