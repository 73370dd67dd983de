/** What came of one look: what was changed, if anything, and when to look again at the latest. */
export interface Reconciled {
  changed?: string;
  againAfterMs?: number;
}
