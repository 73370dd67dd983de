// Command networkpolicies says of each packet in its queue whether the NetworkPolicies of a cluster let it pass: the engine of
// kubernetes-sigs/kube-network-policies. Its arguments are a kubeconfig, the name of the node, and the number of the queue.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// The rules that lead to the queue are the testbed's, for one bridge. The engine's own would be for all of the machine, and need a kernel that
// can queue from nftables; none can have a table whose name is so long.
var noTable = strings.Repeat("x", 300)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 4 {
		return fmt.Errorf("usage: networkpolicies KUBECONFIG NODE QUEUE")
	}
	queue, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return err
	}
	access, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		factory.Networking().V1().NetworkPolicies(),
		factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(),
		nil, nil, nil, nil,
		networkpolicy.Config{NodeName: os.Args[2], QueueID: queue, NFTableName: noTable},
	)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}
