// node-redis at work, in RESP2 and RESP3. Prints what it got, one JSON line a step.
const { createClient, createClientPool, WatchError } = require("redis");

const url = process.argv[2];
const show = (step, value) => console.log(step, JSON.stringify(value));

async function blocked(client) {
  while (!/blocked_clients:1\b/.test(await client.info("clients"))) await new Promise((r) => setTimeout(r, 5));
}

async function work(RESP) {
  const client = createClient({ url, RESP });
  client.on("error", (error) => console.error(error));
  await client.connect();
  await client.flushAll();
  const label = (step) => `${step}/${RESP}`;
  show(label("set"), [await client.set("k", "v", { EX: 100, NX: true }), await client.set("k", "w", { NX: true }), await client.get("k")]);
  show(label("numbers"), [await client.incrBy("n", 7), await client.incrByFloat("f", 0.25), await client.pTTL("k") > 0]);
  await client.hSet("h", { one: 1, two: "zwei" });
  show(label("hash"), { ...(await client.hGetAll("h")) });
  await client.zAdd("z", [{ score: 1.5, value: "a" }, { score: 3, value: "b" }]);
  show(label("zset"), [await client.zRangeWithScores("z", 0, -1), await client.zScore("z", "a")]);
  show(label("multi"), await client.multi().set("m", "1").incr("m").get("m").exec());
  await client.watch("k");
  await client.sendCommand(["SET", "k", "changed"]);
  show(label("watch"), await client.multi().set("k", "lost").exec().then(() => "kept", (error) => error instanceof WatchError));
  show(label("at once"), (await Promise.all(Array.from({ length: 2000 }, (_, i) => client.rPush("l", String(i))))).at(-1));
  let keys = 0;
  for await (const some of client.scanIterator({ COUNT: 2 })) keys += some.length;
  show(label("scan"), keys);
  try {
    await client.hGet("k", "f");
  } catch (error) {
    show(label("error"), error.message);
  }

  const other = client.duplicate();
  await other.connect();
  const popped = other.blPop("queue", 20);
  await blocked(client);
  await client.rPush("queue", "job");
  show(label("blpop"), await popped);
  await client.xGroupCreate("s", "g", "$", { MKSTREAM: true });
  const read = other.xReadGroup("g", "me", { key: "s", id: ">" }, { BLOCK: 20000 });
  await blocked(client);
  const id = await client.xAdd("s", "*", { field: "value" });
  const streams = await read;
  const entries = Array.isArray(streams) ? streams[0].messages : Object.values(streams)[0];
  show(label("stream"), [entries[0].id === id, entries[0].message, await client.xAck("s", "g", id)]);

  const subscriber = client.duplicate();
  await subscriber.connect();
  const got = new Promise((resolve) => {
    const all = [];
    const note = (message, channel) => (all.push([channel, message]), all.length === 3 && resolve(all));
    Promise.all([subscriber.subscribe("news", note), subscriber.pSubscribe("n*", note), subscriber.sSubscribe("shard", note)]).then(async () => {
      await client.publish("news", "hello");
      await client.sPublish("shard", "there");
    });
  });
  show(label("messages"), (await got).sort());
  await subscriber.unsubscribe();
  show(label("eval"), await client.eval("return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}", { keys: ["m"], arguments: ["x"] }));
  await Promise.all([other.close(), subscriber.close(), client.close()]);
}

async function cached() {
  const client = createClient({ url, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: "LRU" } });
  const other = createClient({ url });
  await Promise.all([client.connect(), other.connect()]);
  await other.set("c", "1");
  const values = [await client.get("c"), await client.get("c")];
  await other.set("c", "2");
  let value = "1";
  while ((value = await client.get("c")) !== "2") await new Promise((r) => setTimeout(r, 5));
  show("cached", [...values, value]);
  await Promise.all([client.close(), other.close()]);
}

async function pooled() {
  const pool = createClientPool({ url }, { minimum: 2, maximum: 8 });
  await pool.connect();
  await Promise.all(Array.from({ length: 200 }, (_, i) => pool.set(`p:${i}`, i)));
  show("pool", await pool.mGet(["p:0", "p:199", "p:200"]));
  await pool.close();
}

(async () => {
  await work(2);
  await work(3);
  await cached();
  await pooled();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
