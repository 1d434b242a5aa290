package org.batchnorm.spark;

import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.batchnorm.spi.StatisticsExchange;
import org.jspecify.annotations.Nullable;

/**
 * A TCP connection of every rank with every other one. In an exchange each rank sends its values to all others and
 * reads theirs at the same time, so that nobody waits for room in a buffer.
 */
final class TcpMesh implements StatisticsExchange, Closeable {
    private static final Duration LONGEST = Duration.ofDays(365);

    /** Before the values of a message: the number of the exchange, and how many values follow. */
    private static final int HEADER_BYTES = Long.BYTES + Integer.BYTES;

    /** What a connection that was just accepted has to say who it is. */
    private static final Duration PATIENCE_WITH_STRANGERS = Duration.ofSeconds(2);

    private final int rank;
    private final int size;
    private final Duration deadline;
    private final Selector selector;
    private final List<Peer> peers = new ArrayList<>();
    private final AtomicBoolean inUse = new AtomicBoolean();
    private ByteBuffer outgoing = ByteBuffer.allocateDirect(HEADER_BYTES);
    private long exchanges;

    private TcpMesh(int rank, int size, Duration deadline) throws IOException {
        this.rank = rank;
        this.size = size;
        this.deadline = deadline;
        this.selector = Selector.open();
    }

    static void requireDeadline(Duration deadline) {
        if (deadline == null || !deadline.isPositive() || deadline.compareTo(LONGEST) > 0) {
            throw new IllegalArgumentException(
                    "deadline: " + deadline + " given, must be positive and at most 365 days");
        }
    }

    /**
     * Where a rank is reached.
     *
     * @param secret what a connection must know, so that others than the ranks are turned away
     */
    record Address(String host, int port, long secret) {

        /** As one word. */
        String encode() {
            return port + "/" + secret + "/" + host;
        }

        static Address decode(String text) {
            String[] parts = text.split("/", 3);
            return new Address(parts[2], Integer.parseInt(parts[0]), Long.parseLong(parts[1]));
        }
    }

    /** Begins to listen at a port of the system's choice. */
    static Listener listen(InetAddress host) throws IOException {
        ServerSocketChannel channel = ServerSocketChannel.open();
        try {
            channel.bind(new InetSocketAddress(host, 0), Short.MAX_VALUE);
            return new Listener(channel);
        } catch (IOException e) {
            channel.close();
            throw new IOException("cannot listen at " + host + ", where this executor is said to be: " + e, e);
        }
    }

    /** A rank before it is connected. */
    static final class Listener implements Closeable {
        private final ServerSocketChannel channel;
        private final Address address;

        private Listener(ServerSocketChannel channel) {
            this.channel = channel;
            ServerSocket socket = channel.socket();
            this.address = new Address(
                    socket.getInetAddress().getHostAddress(), socket.getLocalPort(), new SecureRandom().nextLong());
        }

        Address address() {
            return address;
        }

        /**
         * Connects this rank with all others: it calls those before it, and is called by those after it.
         *
         * @param addresses of all ranks, in their order
         * @throws IllegalStateException if another rank cannot be reached, or does not call within the deadline
         */
        TcpMesh connect(int rank, List<Address> addresses, Duration deadline) throws IOException {
            requireDeadline(deadline);
            TcpMesh mesh = new TcpMesh(rank, addresses.size(), deadline);
            long start = System.nanoTime();
            try {
                for (int other = 0; other < rank; other++) {
                    mesh.add(other, call(addresses.get(other), rank, mesh.millisLeft(start)));
                }
                while (mesh.peers.size() < addresses.size() - 1) {
                    accept(mesh, mesh.millisLeft(start));
                }
                return mesh;
            } catch (IOException e) {
                mesh.close();
                throw mesh.failed("could not be connected with the others (" + e + ")", e);
            } catch (RuntimeException e) {
                mesh.close();
                throw e;
            }
        }

        private static SocketChannel call(Address address, int rank, int timeout) throws IOException {
            SocketChannel channel = SocketChannel.open();
            try {
                channel.socket().connect(new InetSocketAddress(address.host(), address.port()), timeout);
                DataOutputStream out = new DataOutputStream(channel.socket().getOutputStream());
                ByteBuffer hello = ByteBuffer.allocate(HEADER_BYTES)
                        .putLong(address.secret())
                        .putInt(rank);
                out.write(hello.array());
                return channel;
            } catch (IOException e) {
                channel.close();
                throw e;
            }
        }

        /** Takes one call; a stranger's is hung up. */
        private void accept(TcpMesh mesh, int timeout) throws IOException {
            ServerSocket server = channel.socket();
            server.setSoTimeout(timeout);
            Socket socket;
            try {
                socket = server.accept();
            } catch (SocketTimeoutException e) {
                return; // The caller's clock has run out, too, and says whom it waited for.
            }
            socket.setSoTimeout(Math.min(timeout, (int) PATIENCE_WITH_STRANGERS.toMillis()));
            try {
                DataInputStream in = new DataInputStream(socket.getInputStream());
                long secret = in.readLong();
                int caller = in.readInt();
                if (secret == address.secret() && mesh.expects(caller)) {
                    mesh.add(caller, socket.getChannel());
                    return;
                }
            } catch (EOFException | SocketTimeoutException e) {
                // It never said who it is: not one of the ranks.
            }
            socket.close();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    private boolean expects(int caller) {
        return caller > rank && caller < size && peers.stream().noneMatch(peer -> peer.rank == caller);
    }

    private void add(int other, SocketChannel channel) throws IOException {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.configureBlocking(false);
        peers.add(new Peer(other, channel, channel.register(selector, 0)));
    }

    /** What is left of the deadline, at least 1: 0 would mean for ever. */
    private int millisLeft(long start) {
        long left = deadline.minusNanos(System.nanoTime() - start).toMillis();
        if (left <= 0) {
            throw failed("waited for " + missing() + " for " + deadline, null);
        }
        return (int) Math.min(left, Integer.MAX_VALUE);
    }

    private String missing() {
        List<Integer> here =
                peers.stream().filter(Peer::isDone).map(peer -> peer.rank).toList();
        return IntStream.range(0, size)
                .filter(other -> other != rank && !here.contains(other))
                .mapToObj(other -> "rank " + other)
                .collect(Collectors.joining(", "));
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public void allGather(double[] mine, double[] all) {
        if (all.length != mine.length * size) {
            throw new IllegalArgumentException("all: double[" + all.length + "] given, must have " + size
                    + " times the " + mine.length + " values of mine");
        }
        if (!inUse.compareAndSet(false, true)) {
            throw new IllegalStateException(
                    "exchange: rank " + rank + " is in use by another thread; an exchange serves one at a time");
        }
        try {
            if (!selector.isOpen()) {
                throw new IllegalStateException("exchange: rank " + rank + " is over: it was closed, or has failed");
            }
            exchange(mine);
            System.arraycopy(mine, 0, all, rank * mine.length, mine.length);
            for (Peer peer : peers) {
                peer.incoming.position(HEADER_BYTES).asDoubleBuffer().get(all, peer.rank * mine.length, mine.length);
            }
        } finally {
            inUse.set(false);
        }
    }

    private void exchange(double[] mine) {
        int bytes = Math.addExact(HEADER_BYTES, Math.multiplyExact(mine.length, Double.BYTES));
        if (outgoing.capacity() < bytes) {
            outgoing = ByteBuffer.allocateDirect(bytes);
        }
        outgoing.clear()
                .putLong(++exchanges)
                .putInt(mine.length)
                .asDoubleBuffer()
                .put(mine);
        outgoing.position(0).limit(bytes);
        peers.forEach(peer -> peer.begin(outgoing.duplicate()));
        long start = System.nanoTime();
        boolean done = false;
        try {
            requireNotInterrupted();
            while (!advanceAll(mine.length)) {
                selector.select(millisLeft(start));
                selector.selectedKeys().clear();
                requireNotInterrupted();
            }
            done = true;
        } catch (IOException e) {
            throw failed("cannot wait for the others (" + e + ")", e);
        } finally {
            if (!done) {
                close();
            }
        }
    }

    /** Spark interrupts the tasks of a job that is cancelled. */
    private void requireNotInterrupted() {
        if (Thread.currentThread().isInterrupted()) {
            throw failed("was interrupted", null);
        }
    }

    /** Sends and receives what there is room for and what has come; whether that was all. */
    private boolean advanceAll(int count) {
        boolean done = true;
        for (Peer peer : peers) {
            try {
                done &= peer.advance();
            } catch (IOException e) {
                throw failed("lost rank " + peer.rank + " (" + e + ")", e);
            }
            peer.requireSameExchange(count);
        }
        return done;
    }

    private IllegalStateException failed(String how, @Nullable Exception cause) {
        return new IllegalStateException(
                "exchange: rank " + rank + " of " + size + " " + how
                        + "; every rank must run the same operations, and none may fail alone",
                cause);
    }

    @Override
    public void close() {
        try {
            for (Peer peer : peers) {
                peer.channel.close();
            }
            selector.close();
        } catch (IOException e) {
            throw new IllegalStateException("exchange: rank " + rank + " cannot be closed (" + e + ")", e);
        }
    }

    @Override
    public String toString() {
        return "TcpMesh[rank " + rank + " of " + size + "]";
    }

    /** The connection with one other rank. */
    private final class Peer {
        private final int rank;
        private final SocketChannel channel;
        private final SelectionKey key;
        private ByteBuffer outgoing = ByteBuffer.allocate(0);
        private ByteBuffer incoming = ByteBuffer.allocate(0);

        Peer(int rank, SocketChannel channel, SelectionKey key) {
            this.rank = rank;
            this.channel = channel;
            this.key = key;
        }

        void begin(ByteBuffer message) {
            outgoing = message;
            if (incoming.capacity() < message.limit()) {
                incoming = ByteBuffer.allocateDirect(message.limit());
            }
            incoming.clear().limit(message.limit());
        }

        boolean advance() throws IOException {
            if (outgoing.hasRemaining()) {
                channel.write(outgoing);
            }
            if (incoming.hasRemaining() && channel.read(incoming) < 0) {
                throw new EOFException("it ended, or its task failed");
            }
            key.interestOps((outgoing.hasRemaining() ? SelectionKey.OP_WRITE : 0)
                    | (incoming.hasRemaining() ? SelectionKey.OP_READ : 0));
            return isDone();
        }

        boolean isDone() {
            return !outgoing.hasRemaining() && !incoming.hasRemaining();
        }

        /** As soon as the other rank's header is here: a message of another length would never end, or not be one. */
        void requireSameExchange(int count) {
            if (incoming.position() < HEADER_BYTES) {
                return;
            }
            long exchange = incoming.getLong(0);
            int values = incoming.getInt(Long.BYTES);
            if (exchange != exchanges || values != count) {
                throw failed(
                        "has " + count + " values in exchange " + exchanges + ", rank " + rank + " has " + values
                                + " in exchange " + exchange,
                        null);
            }
        }
    }
}
