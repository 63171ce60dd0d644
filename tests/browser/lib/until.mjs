/**
 * Waits until `condition` returns something true, and returns that. Tests wait for conditions, never for times; the limit only turns a hang
 * into a failure with a name. Errors thrown by the condition count as "not yet", unless `fatal()` says that it cannot come true any more.
 */
export async function until(what, condition, { timeout = 30_000, every = 50, hint = () => '', fatal = () => false } = {}) {
  const limit = performance.now() + timeout;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = undefined;
    } catch (error) {
      if (fatal()) throw error;
      last = error;
    }
    if (performance.now() > limit) throw new Error(`gave up waiting until ${what}${last ? `: ${last.message}` : ''}\n${hint()}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
