/** A shell on a terminal of its own: a test types, and reads the screen. */
export class Shell implements AsyncDisposable {
  readonly #process: Bun.Subprocess;
  readonly #ended: Promise<number>;
  #screen = "";

  private constructor(command: string[], env: Record<string, string>) {
    const decoder = new TextDecoder();
    this.#process = Bun.spawn(command, {
      env: { PATH: `${process.env["PATH"]}`, HOME: "/nonexistent", TERM: "dumb", LANG: "C.UTF-8", ...env },
      terminal: { cols: 200, rows: 100, data: (_, bytes) => void (this.#screen += decoder.decode(bytes)) },
    });
    this.#ended = this.#process.exited;
  }

  /** Starts it, has it run a line that sets it up, and waits until it is ready. */
  static async start(command: string[], setUp: string, env: Record<string, string> = {}): Promise<Shell> {
    const shell = new Shell(command, env);
    shell.type(`${setUp}; echo rea''dy\r`);
    await shell.shows("ready");
    return shell;
  }

  type(keys: string): void {
    this.#process.terminal?.write(keys);
  }

  /** Waits until a text is on the screen. Returns what has come to the screen since the last wait, up to it. */
  async shows(text: string): Promise<string> {
    await this.#until([text]);
    const end = this.#screen.indexOf(text) + text.length;
    const shown = this.#screen.slice(0, end);
    this.#screen = this.#screen.slice(end);
    return shown;
  }

  /** Waits until all of these are on the screen, in any order and with blanks as wide as may be. */
  async showsAll(texts: readonly string[]): Promise<string> {
    await this.#until(texts);
    const shown = this.#screen;
    this.#screen = "";
    return shown;
  }

  async #until(texts: readonly string[]): Promise<void> {
    const narrow = (text: string) => text.replace(/ +/g, " ");
    const deadline = performance.now() + 30_000;
    for (;;) {
      const screen = narrow(this.#screen);
      const missing = texts.filter((text) => !screen.includes(narrow(text)));
      if (missing.length === 0) return;
      if (performance.now() > deadline) throw new Error(`no ${JSON.stringify(missing)} in ${JSON.stringify(screen)}`);
      await Bun.sleep(10);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
    this.#process.terminal?.close();
  }
}
