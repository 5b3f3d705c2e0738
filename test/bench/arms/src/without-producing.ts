/** Loaded before the api: it then answers without producing. What is left is the cost of HTTP, checking and encoding. */
const { KafkaProducer } = (await import(process.env['BENCH_KAFKA_LIBRARY']!)) as {
  KafkaProducer: { prototype: { send(record: { topic: string }): Promise<object> } };
};
let offset = 0n;
KafkaProducer.prototype.send = ({ topic }) =>
  Promise.resolve({ topic, partition: Number(offset % 8n), offset: offset++ });
