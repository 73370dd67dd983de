import {
  PREVIEW_LINK_PARAMETER,
  previewLabel,
  previewOrigin,
  type Preview,
  type PreviewAddress,
  type PreviewFacts,
} from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { signPass } from '@sandlot/service-kit';

const LONGEST_PORT = 65_535;

type Whose = Omit<PreviewAddress, 'port'>;

/** Where previews are, and the links that let browsers in. */
export class PreviewLinks {
  /** @param domain of all previews, with the port where it is not the usual one; undefined: there are none */
  constructor(
    private readonly domain: string | undefined,
    private readonly key: string,
  ) {}

  /** @throws DomainError when there can be no such address, before anything is opened */
  check(whose: Whose): void {
    this.origin({ ...whose, port: LONGEST_PORT });
  }

  shown(preview: PreviewFacts, whose: Whose): Preview {
    return { ...preview, address: `${this.origin({ port: preview.port, ...whose })}/` };
  }

  opened(preview: PreviewFacts, whose: Whose): Preview & { url: string } {
    const shown = this.shown(preview, whose);
    if (preview.public) return { ...shown, url: shown.address };
    const expiresAt = Math.ceil(Date.parse(preview.expiresAt) / 1000);
    const pass = signPass('link', { previewId: preview.id, expiresAt }, new URL(shown.address).hostname, this.key);
    return { ...shown, url: `${shown.address}?${PREVIEW_LINK_PARAMETER}=${pass}` };
  }

  private origin(address: PreviewAddress): string {
    if (this.domain === undefined) throw new DomainError('PREVIEWS_OFF', 'This installation has no domain for previews');
    const label = previewLabel(address);
    if (label === undefined)
      throw new DomainError(
        'VALIDATION_FAILED',
        'The names of the sandbox and its owner are too long together for an address: at most 56 characters, each hyphen counting twice',
        { errors: [{ pointer: '/name', in: 'path', detail: 'too long for a preview address', code: 'too_long' }] },
      );
    return previewOrigin(label, this.domain);
  }
}
