/** The visitors design: a bucket 0..1023 in a cookie, drawn once, decimal as the server reads it. Ten bits: no identifier. */

/** Set only where the operator chose that design, and deleted on a refusal. */
export const BUCKET = "manyhands_b";
const COUNT = 1024;

/** The bucket among a page's cookies. What the server would not take as one (a sign, a leading zero) is none. */
export const bucketOf = (cookies: string): number | undefined => {
  const [, text = ""] = new RegExp(`(?:^|; )${BUCKET}=(\\d+)(?:;|$)`).exec(cookies) ?? [];
  return String(+text) === text && +text < COUNT ? +text : undefined;
};

/** A cookie for thirty days, its bucket made of at least ten random bits. */
export const bucketCookie = (random: number, secure: boolean): string =>
  `${BUCKET}=${random % COUNT};path=/;max-age=2592000;samesite=lax${secure ? ";secure" : ""}`;
