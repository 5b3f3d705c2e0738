# Kafka or ZooKeeper with the JMX exporter's agent, its rules and a check that says when the server is ready.
# Built with the folder infra/ as context; IMAGE and NAME (kafka or zookeeper) say which of the two.
ARG IMAGE

FROM maven:3.9.11-eclipse-temurin-21 AS agent
# The versions that tools/stack/pom.xml has, too (tools/compose.test.ts compares them).
ARG JMX_EXPORTER=1.0.1
RUN mvn -B -q -ntp org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
      -Dartifact=io.prometheus.jmx:jmx_prometheus_javaagent:${JMX_EXPORTER} -DoutputDirectory=/agent -Dmdep.stripVersion=true

FROM ${IMAGE}
ARG NAME
COPY --from=agent /agent/jmx_prometheus_javaagent.jar /usr/share/bongsu/jmx-exporter.jar
COPY jmx/${NAME}.yml /usr/share/bongsu/jmx-exporter.yml
COPY --chmod=755 compose/${NAME}-* /usr/share/bongsu/
