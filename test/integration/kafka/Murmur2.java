import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.Utils;

/** Reads keys, one a line in Base64; writes their murmur2 and their partition of 1, 7, 8 and 1000, as the Java client has them. */
public class Murmur2 {
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        StringBuilder answer = new StringBuilder();
        for (String line; (line = lines.readLine()) != null; ) {
            byte[] key = Base64.getDecoder().decode(line);
            answer.append(Utils.murmur2(key));
            for (int partitions : new int[] {1, 7, 8, 1000})
                answer.append(' ').append(BuiltInPartitioner.partitionForKey(key, partitions));
            answer.append('\n');
        }
        System.out.print(answer);
    }
}
