/** Loaded before the api: it then answers without producing. What is left is the cost of HTTP, checking and encoding. */
const { KafkaProducer } = (await import(process.env['BENCH_KAFKA_LIBRARY']!)) as {
  KafkaProducer: { prototype: { send(record: { topic: string }): Promise<object> } };
};
KafkaProducer.prototype.send = (record) => Promise.resolve({ topic: record.topic, partition: 0, offset: -1n });
