/** The main classes behind Kafka's scripts, as the scripts of Kafka 3.9 have them. */
const MAIN_CLASSES = {
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-console-producer': 'kafka.tools.ConsoleProducer',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'kafka-dump-log': 'kafka.tools.DumpLogSegments',
  'kafka-reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'kafka-acls': 'kafka.admin.AclCommand',
} as const;

export const STOCK_TOOLS = Object.keys(MAIN_CLASSES);

export interface StockTool {
  readonly mainClass: string;
  readonly args: readonly string[];
}

/**
 * What to run for a command line such as `kafka-topics --list`. Without `--bootstrap-server` it speaks to the local stack;
 * tools that know no such option (kafka-dump-log, kafka-producer-perf-test) get none. Undefined for a tool that there is not.
 */
export function stockTool([name = '', ...args]: readonly string[], bootstrap: string): StockTool | undefined {
  const tool = name.replace(/\.sh$/, '');
  if (!(tool in MAIN_CLASSES)) return undefined;
  const addressed =
    tool === 'kafka-dump-log' || tool === 'kafka-producer-perf-test' || args.includes('--bootstrap-server');
  return {
    mainClass: MAIN_CLASSES[tool as keyof typeof MAIN_CLASSES],
    args: addressed ? args : ['--bootstrap-server', bootstrap, ...args],
  };
}
