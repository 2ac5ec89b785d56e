pad.start();
budget.start();
charts.start();
activity.start();
