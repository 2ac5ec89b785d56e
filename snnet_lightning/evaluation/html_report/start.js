plot.start();
budget.start();
