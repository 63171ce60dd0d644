import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketCookie, bucketOf } from "../core/bucket";

test("a bucket is read as the server reads it", () => {
  for (const [cookies, bucket] of [["manyhands_b=0", 0], ["manyhands_b=1023", 1023], ["a=b; manyhands_b=77; c=d", 77]] as const) {
    assert.equal(bucketOf(cookies), bucket, cookies);
  }
  const none = ["", "manyhands_b=", "manyhands_b=1024", "manyhands_b=-1", "manyhands_b=+1", "manyhands_b=01", "manyhands_b=1.0", "manyhands_b=7x", "xmanyhands_b=7", "a=manyhands_b=7", "manyhands_bb=7", "manyhands_b= 7"];
  for (const cookies of none) assert.equal(bucketOf(cookies), undefined, cookies);
});

test("every bucket is drawn equally often, and what is written is read", () => {
  const drawn = new Array<number>(1024).fill(0);
  for (let random = 0; random < 65_536; random++) {
    const [cookie = ""] = bucketCookie(random, false).split(";");
    drawn[bucketOf(cookie)!]!++;
  }
  assert.deepEqual(new Set(drawn), new Set([64]));
});

test("the cookie holds for the whole site and thirty days, is not sent from other sites, and nowhere in the clear where the site is not", () => {
  assert.equal(bucketCookie(5, false), "manyhands_b=5;path=/;max-age=2592000;samesite=lax");
  assert.equal(bucketCookie(5, true), "manyhands_b=5;path=/;max-age=2592000;samesite=lax;secure");
});
