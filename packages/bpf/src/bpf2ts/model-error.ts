/** The C uses something this generator has no rendering for, or two objects disagree. */
export class ModelError extends Error {
  override readonly name = "ModelError";
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
